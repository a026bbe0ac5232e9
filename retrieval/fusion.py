"""Fusion of rankings."""

from __future__ import annotations

import math
from collections.abc import Sequence

RRF_K = 60


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]], k: int = RRF_K) -> list[tuple[int, float]]:
    """Fuse rankings of row numbers: score(d) = Σ_r 1 / (k + rank_r(d)).

    Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
    SIGIR 2009, where k = 60.

    Args:
        rankings: Row numbers, best first, each ranking without repetitions.
        k: The constant that flattens the difference between neighbouring ranks.

    Returns:
        Pairs of row and score, best first; equal scores in order of their best single rank, then of the row number.
    """
    ranks: dict[int, list[int]] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            ranks.setdefault(row, []).append(rank)
    scores = {row: math.fsum(1.0 / (k + rank) for rank in of_row) for row, of_row in ranks.items()}
    return sorted(scores.items(), key=lambda item: (-item[1], min(ranks[item[0]]), item[0]))
