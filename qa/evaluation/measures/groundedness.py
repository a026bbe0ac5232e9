"""Whether what is said stands in a product's text.

A check of its own, apart from the one the pipeline makes: words are compared as they are written, unstemmed, with the
whole of a product instead of one sentence. Sources are the products the search found, the product the answer speaks of
and the right ones; each sentence must find its words in one of them. It is the share of supported sentences, as in
FActScore (Min et al., EMNLP 2023, section 3) with sentences for atomic facts and word containment for a judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.evaluation.measures.case import Case
from qa.evaluation.measures.wording import numbers, telling_terms
from qa.evaluation.records import Scores
from retrieval.schema import Product
from retrieval.text import sentences

SUPPORTED_FROM = 0.8
"""A sentence is traceable when a product holds at least this share of its telling words, and all its numbers."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def traceable_share(text: str, sources: Sequence[Product]) -> float | None:
    """Return the share of a text's sentences that are traceable; None when no sentence says anything."""
    held = [(_words(_text(product)), numbers(_text(product))) for product in sources]
    said = [(_telling_words(sentence), numbers(sentence)) for sentence in sentences(text)]
    said = [(needed, figures) for needed, figures in said if needed or figures]
    if not said:
        return None
    traced = sum(any(_enough(needed, words) and figures <= known for words, known in held) for needed, figures in said)
    return traced / len(said)


def unsupported(text: str, sources: Sequence[Product]) -> tuple[set[str], set[str]]:
    """Return the numbers and the names of a text that stand in no source.

    A name is a word with a capital letter that does not begin a sentence.
    """
    known = " ".join(map(_text, sources))
    inside = [word for sentence in sentences(text) for word in _WORD.findall(sentence)[1:]]
    names = {word for word in inside if word[0].isupper()}
    return numbers(text) - numbers(known), {name for name in names if name.lower() not in _words(known)}


def score(case: Case) -> Scores:
    """Score an answer that was given; the numbers are counts an answer."""
    if not case.is_answered:
        return {"groundedness": None, "unsupported_numbers": None, "unsupported_names": None}
    sources = tuple(dict.fromkeys((*case.hits, *((case.product,) if case.product else ()), *case.right)))
    figures, names = unsupported(case.text, sources)
    return {
        "groundedness": traceable_share(case.text, sources),
        "unsupported_numbers": float(len(figures)),
        "unsupported_names": float(len(names)),
    }


def _text(product: Product) -> str:
    return f"{product.title} {product.content}"


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _telling_words(sentence: str) -> set[str]:
    return {word for word in _words(sentence) if telling_terms(word)}


def _enough(needed: set[str], held: set[str]) -> bool:
    return len(needed & held) >= SUPPORTED_FROM * len(needed)
