"""Splitting products so that neither a product, nor its twin, nor a lookalike stands on both sides."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from retrieval.errors import TrainingDataError
from retrieval.schema import Product
from retrieval.text import terms

LOOKALIKE_OVERLAP = 0.6
"""Titles whose sets of terms overlap this much (Jaccard) are lookalikes."""
_COMMON = 200
"""A term of more titles than this brings no two titles together by itself."""


def groups(products: Sequence[Product]) -> list[str]:
    """Put lookalikes, and lookalikes of lookalikes, into one group.

    Args:
        products: Products, each once.

    Returns:
        For each product the name of its group: the smallest uid in it.
    """
    leader = list(range(len(products)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other in _lookalikes(products):
        leader[find(one)] = find(other)
    names: dict[int, str] = {}
    for place, product in enumerate(products):
        root = find(place)
        names[root] = min(names.get(root, product.uid), product.uid)
    return [names[find(place)] for place in range(len(products))]


def is_held_out(group: str, share: float, seed: int) -> bool:
    """Tell whether a group belongs to the held-out share; the same for the same seed, wherever it is asked."""
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def check_no_leak(train: Sequence[Product], held_out: Sequence[Product]) -> None:
    """Compare two sides of a split title by title and uid by uid.

    Raises:
        TrainingDataError: A product of one side is, or looks like, a product of the other.
    """
    sides = [*train, *held_out]
    for one, other in _lookalikes(sides):
        if (one < len(train)) != (other < len(train)):
            raise TrainingDataError(
                f"Training and evaluation share a product or lookalike: {sides[one].uid} ({sides[one].title!r}) and "
                f"{sides[other].uid} ({sides[other].title!r})."
            )


def _lookalikes(products: Sequence[Product]) -> list[tuple[int, int]]:
    """Return pairs of places that share a uid, or whose titles overlap."""
    titles = [frozenset(terms(product.title)) for product in products]
    by_term: dict[str, list[int]] = defaultdict(list)
    by_uid: dict[str, list[int]] = defaultdict(list)
    for place, (product, title) in enumerate(zip(products, titles, strict=True)):
        for term in title:
            by_term[term].append(place)
        for uid in (product.uid, *product.twins):
            by_uid[uid].append(place)
    pairs = {(places[0], other) for places in by_uid.values() for other in places[1:]}
    for places in by_term.values():
        if len(places) <= _COMMON:
            pairs |= {
                (one, other)
                for at, one in enumerate(places)
                for other in places[at + 1 :]
                if len(titles[one] & titles[other]) >= LOOKALIKE_OVERLAP * len(titles[one] | titles[other])
            }
    return sorted(pairs)
