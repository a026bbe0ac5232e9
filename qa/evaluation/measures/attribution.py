"""Citation recall and precision, after ALCE.

Gao et al., "Enabling large language models to generate text with citations", EMNLP 2023, section 3. ALCE judges support
with an entailment model. Here a passage supports a statement when it holds all of the statement's telling terms and
numbers: stricter on paraphrase, blind to word order. A passage is a quote with its product's title. An answer's
citations are those of the answer as a whole, so each statement is judged against all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from qa.evaluation.measures.case import Case
from qa.evaluation.measures.wording import numbers, telling_terms
from qa.evaluation.records import Scores
from retrieval.text import sentences


def supports(passages: Sequence[str], statement: str) -> bool:
    """Tell whether passages together hold the telling terms and numbers of a statement."""
    together = " ".join(passages)
    return telling_terms(statement) <= telling_terms(together) and numbers(statement) <= numbers(together)


def citation_recall(statements: Sequence[str], passages: Sequence[str]) -> float:
    """Return the share of statements that the passages together support."""
    return sum(bool(passages) and supports(passages, each) for each in statements) / len(statements)


def citation_precision(statements: Sequence[str], passages: Sequence[str]) -> float:
    """Return the share of passages that matter; 0.0 without one, as in ALCE.

    A passage matters for a statement that all passages together support, when it supports it alone or when the others
    without it do not.
    """
    supported = [each for each in statements if passages and supports(passages, each)]

    def matters(place: int) -> bool:
        others = [*passages[:place], *passages[place + 1 :]]
        return any(supports([passages[place]], each) or not supports(others, each) for each in supported)

    return sum(map(matters, range(len(passages)))) / len(passages) if passages else 0.0


def score(case: Case) -> Scores:
    """Score an answer that was given and says something."""
    statements = [sentence for sentence in sentences(case.text) if telling_terms(sentence)]
    if not case.is_answered or not statements:
        return {"citation_recall": None, "citation_precision": None}
    passages = [f"{product.title} {quote}" for product, quote in case.citations]
    return {
        "citation_recall": citation_recall(statements, passages),
        "citation_precision": citation_precision(statements, passages),
    }
