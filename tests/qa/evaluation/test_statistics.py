from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qa.evaluation.comparisons import compare_arms
from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import FIGURES, Figure
from qa.evaluation.resampling import holm, interval, resample_weights, two_sided_p
from qa.evaluation.scoring import ScoreTable
from qa.evaluation.weighted import area_under_coverage_risk, expected_calibration_error, mean, quantile

CORRECT = next(figure for figure in FIGURES if figure.name == "correct")
ONE = np.ones((1, 4))


def test_holm_is_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_resamples_are_the_same_for_a_seed_and_draw_n_of_n() -> None:
    weights = resample_weights(7, 3, resamples=50)
    assert weights.shape == (50, 7)
    assert set(weights.sum(axis=1)) == {7.0}
    assert (weights == resample_weights(7, 3, resamples=50)).all()
    assert (weights != resample_weights(7, 4, resamples=50)).any()


def test_interval_and_p_value() -> None:
    samples = np.append(np.arange(1, 1001) / 1000, np.nan)
    assert interval(samples) == pytest.approx((0.026, 0.976), abs=1e-3)
    assert two_sided_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.array([-1.0, 1.0] * 50)) == 1.0


def test_the_mean_and_the_quantile_count_each_answer_by_its_weight() -> None:
    scores = np.array([[1.0], [2.0], [3.0], [10.0]])
    assert mean(np.array([[1.0, 0.0, 0.0, 1.0]]), scores) == pytest.approx([5.5])
    assert quantile(0.5)(ONE, scores) == pytest.approx([2.0])
    assert quantile(0.95)(ONE, scores) == pytest.approx([10.0])
    assert np.isnan(mean(np.zeros((1, 4)), scores)).all()


def test_risk_is_averaged_over_coverage() -> None:
    scores = np.array([[0.9, 0.0], [0.8, 1.0], [0.7, 0.0], [0.6, 1.0]])
    assert area_under_coverage_risk(ONE, scores) == pytest.approx([(0 + 1 / 2 + 1 / 3 + 2 / 4) / 4])
    tied = np.array([[0.5, 0.0], [0.5, 1.0], [0.5, 0.0], [0.5, 1.0]])
    assert area_under_coverage_risk(ONE, tied) == pytest.approx([0.5])


def test_calibration_error_is_the_weighted_gap_of_its_bins() -> None:
    scores = np.array([[0.95, 0.0], [0.95, 1.0], [0.15, 1.0], [0.15, 1.0]])
    assert expected_calibration_error(ONE, scores) == pytest.approx([(2 * 0.45 + 2 * 0.15) / 4])
    assert expected_calibration_error(ONE, np.array([[1.0, 0.0]] * 4)) == pytest.approx([0.0])


def table(values: list[float | None]) -> ScoreTable:
    return ScoreTable(range(len(values)), [{"correct": value} for value in values], len(values))


def test_arms_are_compared_question_by_question() -> None:
    good, bad = [1.0] * 30 + [0.0] * 10, [0.0] * 30 + [1.0] * 10
    tables = {"good": table(good), "bad": table(bad), "same": table(good)}
    groups = {"all": np.arange(40), "first": np.arange(5)}
    estimates, differences = compare_arms(tables, [CORRECT], groups, 0, lambda *_: None)
    found = {(each.group, each.arm): each for each in estimates}
    assert found["all", "good"].value == 0.75
    assert found["all", "good"].low < 0.75 < found["all", "good"].high
    assert found["first", "good"].value == 1.0
    pairs = {(each.arm, each.other): each for each in differences if each.group == "all"}
    lost = pairs["good", "bad"]
    assert (lost.value, lost.wins, lost.ties, lost.losses) == (0.5, 30, 0, 10)
    assert 0 < lost.low < lost.high < 1
    assert lost.p < lost.p_holm < 0.05
    same = pairs["good", "same"]
    assert (same.value, same.p_holm, same.ties) == (0.0, 1.0, 40)
    assert compare_arms(tables, [CORRECT], groups, 0, lambda *_: None) == (estimates, differences)


def test_a_figure_over_nothing_says_why_and_one_that_cannot_be_computed_stops_the_run() -> None:
    tables = {"arm": table([None, None])}
    (estimate,), _ = compare_arms(tables, [CORRECT], {"all": np.arange(2)}, 0, lambda *_: None)
    assert (estimate.value, estimate.n) == (None, 0)
    assert "there is none" in estimate.reason
    nowhere = replace(CORRECT, name="broken", statistic=lambda weights, _: np.full(len(weights), np.nan))
    with pytest.raises(EvaluationError, match="broken is nan over 2 answers"):
        compare_arms({"arm": table([1.0, 0.0])}, [nowhere], {"all": np.arange(2)}, 0, lambda *_: None)
    unknown = Figure("unknown", "unknown", "higher", "any answer", ("nothing",))
    with pytest.raises(EvaluationError, match="No measure gave the score nothing"):
        compare_arms({"arm": table([1.0])}, [unknown], {"all": np.arange(1)}, 0, lambda *_: None)
