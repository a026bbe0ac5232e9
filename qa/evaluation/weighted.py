"""Figures of a sample as functions of how often each answer is counted, so that all resamples are computed at once.

Every function takes weights ``(resamples, n)`` and scores ``(n, columns)`` without NaN, and returns ``(resamples,)``:
NaN where a resample holds no answer that has the score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats], Floats]
CALIBRATION_BINS = 10


def mean(weights: Floats, scores: Floats) -> Floats:
    """Return the mean of the first column."""
    return _divide(weights @ scores[:, 0], weights.sum(axis=1))


def quantile(share: float) -> Statistic:
    """Return the statistic that gives the smallest value with at least ``share`` of the answers at or below it."""

    def of(weights: Floats, scores: Floats) -> Floats:
        order = np.argsort(scores[:, 0], kind="stable")
        reached = np.cumsum(weights[:, order], axis=1)
        total = reached[:, -1:]
        place = np.argmax(reached >= share * total - 1e-9, axis=1)
        return np.where(total[:, 0] > 0, scores[order, 0][place], np.nan)

    return of


def area_under_coverage_risk(weights: Floats, scores: Floats) -> Floats:
    """Return the mean risk over all coverages, the AURC.

    After Geifman & El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017. Answers are taken by
    falling confidence, those of equal confidence together; the risk at a coverage is the share of wrong ones among
    those taken.

    Args:
        weights: How often each answer is counted.
        scores: Columns confidence and risk.
    """
    order = np.argsort(-scores[:, 0], kind="stable")
    taken = weights[:, order]
    ends = _ends_of_ties(scores[order, 0])
    covered = np.cumsum(taken, axis=1)[:, ends]
    wrong = np.cumsum(taken * scores[order, 1], axis=1)[:, ends]
    steps = np.diff(covered, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        risks = np.where(covered > 0, wrong / covered, 0.0)
    return _divide((steps * risks).sum(axis=1), covered[:, -1])


def expected_calibration_error(weights: Floats, scores: Floats) -> Floats:
    """Return the ECE (Naeini et al., AAAI 2015; Guo et al., ICML 2017, section 2) over ten bins of equal width.

    ECE = Σ_bins |Σ_answers in the bin (right - confidence)| / n.

    Args:
        weights: How often each answer is counted.
        scores: Columns confidence and risk; right is 1 - risk.
    """
    bins = calibration_bins(scores[:, 0])
    gaps = np.zeros((len(scores), CALIBRATION_BINS))
    gaps[np.arange(len(scores)), bins] = (1 - scores[:, 1]) - scores[:, 0]
    return _divide(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def calibration_bins(confidence: Floats) -> NDArray[np.intp]:
    """Return the bin of each confidence: ``[0, 0.1)``, …, ``[0.9, 1]``."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)


def coverage_risk_curve(confidence: Floats, risk: Floats, asked: int) -> tuple[Floats, Floats]:
    """Return coverages (shares of all questions asked) and the risks at them, by falling confidence."""
    order = np.argsort(-confidence, kind="stable")
    ends = _ends_of_ties(confidence[order])
    return (ends + 1) / asked, np.cumsum(risk[order])[ends] / (ends + 1)


def _ends_of_ties(ordered: Floats) -> NDArray[np.intp]:
    """Return the last place of each run of equal values."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _divide(above: Floats, below: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: Floats = np.where(below > 0, above / below, np.nan)
    return quotient
