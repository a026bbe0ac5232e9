"""All that comes before the language model: search, rank the evidence, decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from qa.conversation import lookalikes_named
from qa.decision import NOTHING_FITS, Decision, read_signals
from qa.judging import Asked
from qa.names import asks_what_it_is, may_be_meant
from retrieval.context import choose_context
from retrieval.errors import UsageError
from retrieval.evidence import EvidenceRanker
from retrieval.index import DEFAULT_K, HybridIndex
from retrieval.rereading import find
from retrieval.schema import Hit, Product


def look(
    index: HybridIndex,
    ranker: EvidenceRanker,
    decision: Decision,
    questions: Sequence[str],
    *,
    products: int,
    product: str | None = None,
    min_confidence: float | None = None,
) -> list[Asked]:
    """Look at the products that questions may be about, and decide whether they answer.

    Args:
        index: Where products are found.
        ranker: Chooses what is shown of a product.
        decision: Decides between answering and declining.
        questions: As shoppers type them.
        products: How many of those that are found may be shown.
        product: uid of the one product to look at, as on a product page.
        min_confidence: See ``Decision.decide``.

    Raises:
        QuestionError: A question is empty or too long.
        UsageError: No such product, or ``min_confidence`` is no probability.
    """
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise UsageError(f"min_confidence is {min_confidence}; it must be a probability, from 0 to 1.")
    began, on_page = perf_counter(), product is not None
    queries = [index.query(question) for question in questions]
    named: list[tuple[Product, ...]]
    if product is None:
        found = find(index, ranker, queries, max(products, DEFAULT_K))
        named = [lookalikes_named(query, hits) for query, hits in zip(queries, found, strict=True)]
        fit = [_meant_first(hits, meant)[:products] for hits, meant in zip(found, named, strict=True)]
    else:
        known = index.product(product)
        if known is None:
            raise UsageError(f"No product {product} in {index.folder}.")
        found = fit = [[Hit(known, rank=1, score=1.0)] for _ in questions]
        named = [() for _ in questions]
    searched = perf_counter()
    contexts = choose_context(ranker, list(zip(queries, fit, strict=True)))
    asked = []
    for query, hits, context, meant in zip(queries, found, contexts, named, strict=True):
        fits = bool(context.shown) and (on_page or may_be_meant(query, context.fitting[0]))
        signals = read_signals(query, context, len(index)) if fits else NOTHING_FITS
        what_it_is = fits and asks_what_it_is(query, context.fitting[0])
        probable = decision.probabilities(signals, on_page=on_page, asks_what_it_is=what_it_is)
        status = decision.decide(probable, min_confidence, on_page=on_page) if fits else "no_match"
        alike = meant if len(meant) > 1 and status != "no_match" else ()
        asked.append(Asked(query, tuple(hits), context, probable, status, alike, None, {}))
    steps = {"search": searched - began, "context": perf_counter() - searched}
    spent = {step: seconds * 1_000 / max(1, len(questions)) for step, seconds in steps.items()}
    return [replace(each, milliseconds=spent) for each in asked]


def _meant_first(hits: Sequence[Hit], meant: Sequence[Product]) -> list[Hit]:
    """Put the one product that is meant first; several, of which it must be asked back, change nothing."""
    return sorted(hits, key=lambda hit: hit.product not in meant) if len(meant) == 1 else list(hits)
