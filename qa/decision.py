"""Whether there is a product at all, and whether the model declined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from retrieval.schema import Hit, Product
from retrieval.snippet import Weight
from retrieval.text import terms

MATCH_THRESHOLD = 0.30
"""Below this evidence no product matches. Chosen on development questions: see docs/log.md."""
FITTING_SHARE = 0.8
"""Products whose evidence is below this share of the best one's are not answered from."""

_DECLINES = re.compile(
    r"\b(?:(?:description|listing|text|context)s? (?:does|do) not (?:say|mention|specify|state|provide|contain|hold)"
    r"|not (?:specified|mentioned|stated|provided) in|no information)",
    re.IGNORECASE,
)


def evidence(question: Sequence[str], hit: Hit, weight: Weight) -> float:
    """Return how well a question fits a hit, in [0, 1].

    The mean of the share of the question's terms, by weight, that the product holds, and of the cosine between question
    and product (0 where the dense half did not return it).

    Args:
        question: Index terms of the question.
        hit: A hit.
        weight: Weight of an index term.
    """
    held = set(terms(f"{hit.product.title} {hit.product.content}"))
    total = sum(weight(term) for term in question)
    coverage = sum(weight(term) for term in question if term in held) / total if total else 0.0
    return (coverage + max(0.0, hit.cosine or 0.0)) / 2


def declines(text: str) -> bool:
    """Tell whether a model's words say that the description does not hold the answer."""
    return bool(_DECLINES.search(text))


def asked_beyond_title(question: Iterable[str], product: Product) -> set[str]:
    """Return the terms of a question that a product's title does not hold; none when it asks what the product is."""
    return set(question) - set(terms(product.title))
