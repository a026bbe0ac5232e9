"""Which products of the whole catalogue hold all words of a mention: one pass, however many mentions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from finetune.questions.corpus import Corpus
from finetune.questions.wording import content_terms
from retrieval.schema import Product
from retrieval.text import terms

ENOUGH = 6
"""Holders that are listed of a mention; it is common when it has that many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mention to look for: in titles alone, or in titles and contents."""

    text: str
    in_title: bool = False


def holders(wanted: Sequence[Wanted], products: Iterable[Product], corpus: Corpus) -> list[list[Product]]:
    """Find the products whose terms include every content term of a mention.

    Args:
        wanted: Mentions; one without content terms has no holders.
        products: The whole catalogue.
        corpus: Names each mention's rarest term, by which it is filed.

    Returns:
        For each mention its holders in the catalogue's order, at most ``ENOUGH``.
    """
    found: list[list[Product]] = [[] for _ in wanted]
    filed: dict[str, list[tuple[int, frozenset[str], bool]]] = defaultdict(list)
    for place, mention in enumerate(wanted):
        needed = content_terms(mention.text)
        if needed:
            filed[corpus.rarest(needed)].append((place, needed, mention.in_title))
    for product in products:
        in_title = set(terms(product.title))
        in_all = in_title.union(terms(product.content))
        for term in in_all & filed.keys():
            for place, needed, only_title in filed[term]:
                if len(found[place]) < ENOUGH and needed <= (in_title if only_title else in_all):
                    found[place].append(product)
    return found
