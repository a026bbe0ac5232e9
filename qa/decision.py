"""Whether there is a product at all, and whether the model declined."""

from __future__ import annotations

import re

from retrieval.query import Query
from retrieval.schema import Hit
from retrieval.text import sentences, terms

MATCH_THRESHOLD = 0.30
"""Below this evidence no product matches. Chosen on development questions: see docs/log.md."""
FITTING_SHARE = 0.8
"""Products whose evidence is below this share of the best one's are not answered from."""

_DECLINES = re.compile(
    r"\b(?:(?:description|listing|text|context)s? (?:does|do) not (?:say|mention|specify|state|provide|contain|hold)"
    r"|not (?:specified|mentioned|stated|provided) in|no information)",
    re.IGNORECASE,
)


def evidence(query: Query, hit: Hit) -> float:
    """Return how well a question fits a hit, in [0, 1].

    The mean of the share of the question's terms, by weight, that the product holds, and of the cosine between question
    and product (0 for a product that was not searched for).

    Args:
        query: The question, its terms weighted.
        hit: A hit.
    """
    held = set(terms(f"{hit.product.title} {hit.product.content}"))
    return (query.coverage(held) + max(0.0, hit.cosine or 0.0)) / 2


def declines(text: str) -> bool:
    """Tell whether a model's words begin by saying that the description does not hold the answer."""
    return bool(_DECLINES.search(" ".join(sentences(text)[:1])))
