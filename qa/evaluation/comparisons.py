"""Figures of arms with their intervals, and of the differences between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import Figure
from qa.evaluation.resampling import holm, interval, resample_weights, two_sided_p
from qa.evaluation.scoring import ScoreTable
from qa.evaluation.tools import ShowProgress
from qa.evaluation.weighted import Floats

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of an arm over a group of questions.

    Attributes:
        group: The group.
        arm: The arm.
        figure: Name of the figure.
        value: Its value; None where no answer of the group is one that it counts.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Answers that it counts.
        reason: Why there is no value; empty where there is one.
    """

    group: str
    arm: str
    figure: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one arm less that of another, over the questions that both were asked.

    Attributes:
        group: The group.
        figure: Name of the figure.
        arm: The one arm.
        other: The other.
        value: The difference.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: Questions both were asked.
        p: Two-sided p-value.
        p_holm: The same, corrected for the comparisons of all pairs of arms in this figure and group.
        wins: Questions on which the one arm is better; None where single answers cannot be compared.
        ties: Questions on which they are equal.
        losses: Questions on which the other is better.
    """

    group: str
    figure: str
    arm: str
    other: str
    value: float
    low: float
    high: float
    n: int
    p: float
    p_holm: float
    wins: int | None
    ties: int | None
    losses: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)


class Sample:
    """A figure of one arm over some rows: its value, and its values in all resamples."""

    def __init__(self, table: ScoreTable, figure: Figure, rows: Rows, seed: int) -> None:
        """Compute it.

        Raises:
            EvaluationError: There are answers that the figure counts, and yet it has no value.
        """
        scores = table.columns(figure.scores)[rows]
        counted = ~np.isnan(scores).any(axis=1)
        self.n = int(counted.sum())
        self.value = float("nan")
        self.resampled: Floats = np.empty(0)
        if not self.n:
            return
        weights = resample_weights(len(rows), seed)[:, counted]
        self.value = float(figure.statistic(np.ones((1, self.n)), scores[counted])[0])
        self.resampled = figure.statistic(weights, scores[counted])
        if not np.isfinite(self.value) or np.isnan(self.resampled).all():
            raise EvaluationError(f"{figure.name} is {self.value} over {self.n} answers: no figure.")


def compare_arms(
    tables: Mapping[str, ScoreTable],
    figures: Sequence[Figure],
    groups: Mapping[str, Rows],
    seed: int,
    progress: ShowProgress,
) -> tuple[list[Estimate], list[Difference]]:
    """Compute every figure of every arm in every group, and every difference between two arms.

    Args:
        tables: The arms' scores.
        figures: The figures.
        groups: Places of the questions of each group.
        seed: Seed of the resampling.
        progress: Called with step, done and total.

    Raises:
        EvaluationError: A figure cannot be computed.
    """
    estimates: list[Estimate] = []
    differences: list[Difference] = []
    for done, (group, rows) in enumerate(groups.items(), start=1):
        for figure in figures:
            sample = _Samples(tables, figure, seed)
            for arm, table in tables.items():
                estimates.append(_estimate(group, arm, figure, sample.of(arm, rows[table.asked[rows]])))
            found = []
            for arm, other in combinations(tables, 2):
                both = rows[tables[arm].asked[rows] & tables[other].asked[rows]]
                pair = sample.of(arm, both), sample.of(other, both)
                if pair[0].n and pair[1].n:
                    points = _points(tables[arm], tables[other], figure, both)
                    found.append(difference(group, figure, arm, other, pair, len(both), points))
            differences += _corrected(found)
        progress("compare", done, len(groups))
    return estimates, differences


def estimate(group: str, arm: str, figure: Figure, table: ScoreTable, rows: Rows, seed: int) -> Estimate:
    """Return a figure of one arm over the questions at ``rows``.

    Raises:
        EvaluationError: It cannot be computed.
    """
    return _estimate(group, arm, figure, Sample(table, figure, rows, seed))


def difference(
    group: str,
    figure: Figure,
    arm: str,
    other: str,
    samples: tuple[Sample, Sample],
    n: int,
    points: tuple[int, int, int] | None,
) -> Difference:
    """Return the difference of two samples over the same rows, paired by their resamples."""
    one, two = samples
    resampled = one.resampled - two.resampled
    if np.isnan(resampled).all():
        raise EvaluationError(f"{figure.name} of {arm} and {other} has no resample in which both are defined.")
    low, high = interval(resampled)
    p = two_sided_p(resampled)
    wins, ties, losses = points or (None, None, None)
    return Difference(group, figure.name, arm, other, one.value - two.value, low, high, n, p, p, wins, ties, losses)


class _Samples:
    """The samples of one figure, each computed once."""

    def __init__(self, tables: Mapping[str, ScoreTable], figure: Figure, seed: int) -> None:
        self._tables = tables
        self._figure = figure
        self._seed = seed
        self._known: dict[tuple[str, bytes], Sample] = {}

    def of(self, arm: str, rows: Rows) -> Sample:
        key = (arm, rows.tobytes())
        if key not in self._known:
            self._known[key] = Sample(self._tables[arm], self._figure, rows, self._seed)
        return self._known[key]


def _estimate(group: str, arm: str, figure: Figure, sample: Sample) -> Estimate:
    if not sample.n:
        return Estimate(group, arm, figure.name, None, None, None, 0, f"it counts {figure.needs}; there is none")
    low, high = interval(sample.resampled)
    return Estimate(group, arm, figure.name, sample.value, low, high, sample.n)


def _points(one: ScoreTable, two: ScoreTable, figure: Figure, rows: Rows) -> tuple[int, int, int] | None:
    """Return wins, ties and losses of the one, over the answers that both have a score for."""
    if len(figure.scores) != 1:
        return None
    gap = one.columns(figure.scores)[rows, 0] - two.columns(figure.scores)[rows, 0]
    gap = gap[~np.isnan(gap)] * (1 if figure.better == "higher" else -1)
    return int((gap > 0).sum()), int((gap == 0).sum()), int((gap < 0).sum())


def _corrected(found: Sequence[Difference]) -> list[Difference]:
    adjusted = holm([each.p for each in found])
    return [replace(each, p_holm=p) for each, p in zip(found, adjusted, strict=True)]
