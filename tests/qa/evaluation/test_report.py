from __future__ import annotations

import pytest

from qa.evaluation.figures import FIGURES
from qa.evaluation.records import AS_ASKED, Given, Record
from qa.evaluation.report.content import difference_table, estimate_table, extremes, focus_of, number, p_value, spread
from retrieval.question_file import Question

FOCUS = "tuned+retrieval"


@pytest.mark.parametrize(
    ("value", "shown", "signed"),
    [
        (0.126, "0.13", "+0.13"),
        (-0.5, "-0.50", "-0.50"),
        (-0.0, "0.00", "+0.00"),
        (-0.001, "0.00", "+0.00"),
        (1234.56, "1,235", "+1,235"),
    ],
)
def test_numbers_are_short_and_zero_has_no_minus(value: float, shown: str, signed: str) -> None:
    assert (number(value), number(value, signed=True)) == (shown, signed)


def test_small_p_values_and_missing_figures_are_told() -> None:
    assert [p_value(p) for p in (0.0004, 0.001, 0.25)] == ["< 0.001", "0.001", "0.250"]
    assert spread({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.50 (0.25–0.75)"
    assert spread({"value": None, "low": None, "high": None}) == "–"


def test_a_figure_that_an_arm_does_not_have_says_why() -> None:
    def told(figure: str, arm: str, **what: object) -> dict[str, object]:
        return {"group": "all", "figure": figure, "arm": arm} | what

    there = {"value": 0.5, "low": 0.25, "high": 0.75, "reason": ""}
    missing = {"value": None, "low": None, "high": None, "reason": "it counts a refusal; there is none"}
    some = {"refusal_precision": (there, missing), "refusal_recall": (missing, missing)}
    estimates = [
        told(figure.name, arm, **what)
        for figure in FIGURES
        for arm, what in zip(("one", "two"), some.get(figure.name, (there, there)), strict=True)
    ]
    table = estimate_table({"arms": ["one", "two"], "groups": {"all": 9}, "estimates": estimates}, "all")
    shown = {row[0]: row[1:] for row in table.rows}
    assert len(shown) == len(FIGURES) - 1
    assert shown["refusal precision ↑"] == ("0.50 (0.25–0.75)", "–")
    assert table.note == (
        "refusal recall ↑: not there, it counts a refusal; there is none. "
        "refusal precision ↑: – where it counts a refusal; there is none."
    )


def test_the_arm_in_focus_is_always_the_one_that_others_are_taken_from() -> None:
    gap = {"figure": "correct", "value": 0.2, "low": 0.1, "high": 0.4, "n": 20, "p_holm": 0.01}
    points = {"wins": 9, "ties": 6, "losses": 5}
    results = {
        "arms": ["copy", FOCUS, "tuned"],
        "differences": [
            gap | points | {"arm": "copy", "other": FOCUS},
            gap | points | {"arm": FOCUS, "other": "tuned"},
            gap | points | {"arm": "copy", "other": "tuned"},
        ],
    }
    assert difference_table(results).rows == (
        ("correct ↑", "copy", "-0.20", "-0.40 to -0.10", "0.010", "5 / 6 / 9", "20"),
        ("correct ↑", "tuned", "+0.20", "0.10 to 0.40", "0.010", "9 / 6 / 5", "20"),
    )
    assert focus_of(["copy", "extractive"]) == "copy"


def test_the_best_and_the_worst_answers_of_the_arm_in_focus_are_shown_beside_the_others() -> None:
    given = Given("Yes.", "answered", None, (), (), (), 0.5, {"total": 1.0}, {}, ())
    scored = [
        (Record((arm, condition, number), Question(f"question {number}", "absent"), None, given), {"correct": score})
        for arm, condition, scores in (
            ("copy", AS_ASKED, [1.0] * 12),
            (FOCUS, AS_ASKED, [0.0] + [0.5] * 10 + [1.0]),
            (FOCUS, "k=1", [1.0] * 12),
        )
        for number, score in enumerate(scores)
    ]
    best, worst = extremes(scored, FOCUS)
    assert [example.question for example in best[:2]] == ["question 11", "question 1"]
    assert [example.question for example in worst[:2]] == ["question 0", "question 10"]
    assert (len(best), len(worst)) == (10, 10)
    assert [arm for arm, *_ in best[0].answers] == ["copy", FOCUS]
