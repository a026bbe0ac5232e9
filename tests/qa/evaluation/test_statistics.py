from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qa.evaluation.comparisons import compare_arms
from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import FIGURES, Figure
from qa.evaluation.resampling import holm, interval, resample_weights, two_sided_p
from qa.evaluation.scoring import ScoreTable
from qa.evaluation.weighted import (
    Statistic,
    area_under_coverage_risk,
    calibration_bins,
    coverage_risk_curve,
    expected_calibration_error,
    mean,
    quantile,
)

CORRECT = next(figure for figure in FIGURES if figure.name == "correct")
ONE = np.ones((1, 4))


def test_holm_is_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.8, 0.9]) == [1.0, 1.0]
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


@pytest.mark.parametrize("statistic", [mean, quantile(0.5), area_under_coverage_risk, expected_calibration_error])
def test_a_resample_without_a_counted_answer_has_no_figure(statistic: Statistic) -> None:
    scores = np.array([[0.9, 0.0], [0.8, 1.0]])
    values = statistic(np.array([[0.0, 0.0], [1.0, 1.0]]), scores)
    assert np.isnan(values).tolist() == [True, False]


def test_risk_is_averaged_over_coverage() -> None:
    scores = np.array([[0.9, 0.0], [0.8, 1.0], [0.7, 0.0], [0.6, 1.0]])
    assert area_under_coverage_risk(ONE, scores) == pytest.approx([(0 + 1 / 2 + 1 / 3 + 2 / 4) / 4])
    without_first = np.array([[0.0, 1.0, 1.0, 1.0]])
    assert area_under_coverage_risk(without_first, scores) == pytest.approx([(1 + 1 / 2 + 2 / 3) / 3])
    tied = np.array([[0.5, 0.0], [0.5, 1.0], [0.5, 0.0], [0.5, 1.0]])
    assert area_under_coverage_risk(ONE, tied) == pytest.approx([0.5])


def test_calibration_error_is_the_weighted_gap_of_its_bins() -> None:
    scores = np.array([[0.95, 0.0], [0.95, 1.0], [0.15, 1.0], [0.15, 1.0]])
    assert expected_calibration_error(ONE, scores) == pytest.approx([(2 * 0.45 + 2 * 0.15) / 4])
    assert expected_calibration_error(ONE, np.array([[1.0, 0.0]] * 4)) == pytest.approx([0.0])


@pytest.mark.parametrize(
    "statistic", [mean, quantile(0.5), quantile(0.95), area_under_coverage_risk, expected_calibration_error]
)
def test_a_weight_stands_for_so_many_copies_of_an_answer(statistic: Statistic) -> None:
    random = np.random.default_rng(0)
    scores = np.stack([random.integers(0, 8, 25) / 8, random.integers(0, 2, 25)], axis=1)
    weights = resample_weights(25, 0, resamples=40)
    copied = [np.repeat(scores, row.astype(int), axis=0) for row in weights]
    expected = [statistic(np.ones((1, len(sample))), sample)[0] for sample in copied]
    assert statistic(weights, scores) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.95])
def test_quantiles_are_those_of_numpy(share: float) -> None:
    values = np.random.default_rng(1).normal(size=37)
    expected = np.quantile(values, share, method="inverted_cdf")
    assert quantile(share)(np.ones((1, 37)), values[:, None]) == pytest.approx([expected])


def test_calibration_error_sums_the_bins_of_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    random = np.random.default_rng(2)
    confidence, wrong = random.random(200), random.integers(0, 2, 200).astype(float)
    right, said = calibration_curve(1 - wrong, confidence, n_bins=10)
    sizes = np.bincount(calibration_bins(confidence), minlength=10)
    expected = (sizes * np.abs(right - said)).sum() / 200
    scores = np.stack([confidence, wrong], axis=1)
    assert expected_calibration_error(np.ones((1, 200)), scores) == pytest.approx([expected])
    assert calibration_bins(np.array([0.0, 0.09, 0.1, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    from scipy.stats import bootstrap

    pairs = np.random.default_rng(6).random((2, 60))
    expected = bootstrap(
        (pairs[0], pairs[1]),
        lambda one, other, axis: one.mean(axis) - other.mean(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=7,
    ).confidence_interval
    weights = resample_weights(60, 0)
    low, high = interval(mean(weights, pairs[0][:, None]) - mean(weights, pairs[1][:, None]))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_coverage_risk_curve_takes_ties_together() -> None:
    coverages, risks = coverage_risk_curve(np.array([0.5, 0.9, 0.5]), np.array([1.0, 0.0, 0.0]), asked=6)
    assert coverages == pytest.approx([1 / 6, 3 / 6])
    assert risks == pytest.approx([0.0, 1 / 3])


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    scores = np.random.default_rng(3).normal(size=(150, 1))
    low, high = interval(mean(resample_weights(150, 0), scores))
    margin = 1.96 * scores.std() / np.sqrt(150)
    assert (low, high) == pytest.approx((scores.mean() - margin, scores.mean() + margin), abs=0.01)


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


def test_a_constant_gap_has_no_spread_because_questions_are_paired() -> None:
    slow = list(np.random.default_rng(4).random(30))
    tables = {"slow": table(slow), "fast": table([value - 0.25 for value in slow])}
    time = replace(CORRECT, better="lower")
    (first, _), (gap,) = compare_arms(tables, [time], {"all": np.arange(30)}, 0, lambda *_: None)
    assert first.high - first.low > 0.1
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.25, 0.25, 0.25))
    assert (gap.wins, gap.ties, gap.losses) == (0, 0, 30)


def test_arms_that_were_asked_other_questions_are_compared_on_those_of_both() -> None:
    everything = table([1.0, 1.0, 0.0, 0.0])
    some = ScoreTable([1, 2], [{"correct": 0.0}, {"correct": 0.0}], 4)
    estimates, (gap,) = compare_arms(
        {"everything": everything, "some": some}, [CORRECT], {"all": np.arange(4)}, 0, lambda *_: None
    )
    assert [(each.value, each.n) for each in estimates] == [(0.5, 4), (0.0, 2)]
    assert (gap.value, gap.n, gap.wins, gap.ties, gap.losses) == (0.5, 2, 1, 1, 0)


def test_the_correction_counts_the_pairs_of_one_figure_in_one_group() -> None:
    random = np.random.default_rng(5)
    tables = {arm: table(list(random.random(20) + shift)) for arm, shift in (("a", 0.3), ("b", 0.15), ("c", 0.0))}
    groups = {"all": np.arange(20), "half": np.arange(10)}
    _, differences = compare_arms(tables, [CORRECT], groups, 0, lambda *_: None)
    for group in groups:
        pairs = [each for each in differences if each.group == group]
        assert [each.p_holm for each in pairs] == holm([each.p for each in pairs])
        assert len({each.p for each in pairs}) == 3


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
