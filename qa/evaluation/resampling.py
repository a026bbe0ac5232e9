"""Bootstrap intervals, and the correction for many comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from qa.evaluation.weighted import Floats

RESAMPLES = 10_000
LEVEL = 0.95


@lru_cache(maxsize=4)
def resample_weights(n: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Return how often each of ``n`` answers is drawn in each resample, ``(resamples, n)``.

    Equal arguments give equal draws: two arms resampled with them are paired (Efron & Tibshirani, "An introduction to
    the bootstrap", 1993, chapter 13).
    """
    random = np.random.default_rng([seed, n])
    return random.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def interval(samples: Floats) -> tuple[float, float]:
    """Return the percentile interval; resamples in which the figure is undefined are left out."""
    defined = samples[~np.isnan(samples)]
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def two_sided_p(differences: Floats) -> float:
    """Return the bootstrap's two-sided p-value of a difference of zero, 2 · min(P(d ≤ 0), P(d ≥ 0)).

    The observed sample counts as one resample of either side, so that it is never 0 (Davison & Hinkley, "Bootstrap
    methods and their application", 1997, section 4.2).
    """
    defined = differences[~np.isnan(differences)]
    below, above = int((defined <= 0).sum()), int((defined >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(defined)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm, Scandinavian Journal of Statistics 6, 1979).

    The i-th smallest of m, from 1, is multiplied by m - i + 1; none is smaller than the one before it, nor above 1.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
