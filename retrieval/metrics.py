"""Retrieval metrics over one ranking; average them over questions.

A ranking is a sequence of booleans or gains by rank, best first: ``[False, True, ...]`` says that the second result is
relevant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def hit_at_k(relevant: Sequence[bool], k: int) -> float:
    """1.0 when a relevant result is among the first ``k``, else 0.0 (also called success@k)."""
    return float(any(relevant[:k]))


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """1 / rank of the first relevant result, 0.0 without one. Its mean is the MRR (Voorhees, TREC-8, 1999)."""
    return next((1.0 / rank for rank, good in enumerate(relevant, start=1) if good), 0.0)


def ndcg_at_k(gains: Sequence[float], judged: Sequence[float], k: int) -> float:
    """Normalised discounted cumulative gain at ``k`` (Järvelin & Kekäläinen, ACM TOIS 20(4), 2002), linear gains.

    DCG@k = Σ_{i=1..k} gain_i / log2(i + 1); nDCG@k = DCG@k / DCG@k of the best possible order.

    Args:
        gains: Gain of each result, best-ranked first.
        judged: Gains of everything judged for the question, in any order: the best order is made of these.
        k: Cut-off.

    Returns:
        A value in [0, 1]; 0.0 when nothing judged is relevant.
    """
    ideal = _dcg(sorted(judged, reverse=True)[:k])
    return _dcg(gains[:k]) / ideal if ideal else 0.0


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
