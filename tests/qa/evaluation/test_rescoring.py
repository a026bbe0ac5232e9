"""Another scorer computes figures from ``answers.jsonl`` alone, in its own words."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from statistics import fmean

import pytest

from qa.evaluation import Settings
from retrieval.index import HybridIndex
from tests.qa.evaluation.runs import run

Line = dict[str, object]
DUE = {"identify": "answered", "fact": "answered", "unanswerable": "not_in_description", "absent": "no_match"}
DECLINED = {"not_in_description", "no_match"}


def f1(line: Line) -> float:
    def bag(text: str) -> Counter[str]:
        return Counter(word for word in re.sub(r"[^\w\s]", "", text.lower()).split() if word not in ("a", "an", "the"))

    given, right = bag(line["text"]), bag(line["reference"])
    shared = sum(min(count, right[word]) for word, count in given.items())
    return 2 * shared / (given.total() + right.total())


def first_right(line: Line) -> int | None:
    return next((rank for rank, uid in enumerate(line["hits"], start=1) if uid in line["uids"]), None)


def area(lines: list[Line]) -> float:
    """The mean, over the answers by falling confidence, of the share of wrong ones down to each and its equals."""
    wrong = [(line["confidence"], 1 - line["scores"]["correct"]) for line in lines]
    return fmean(fmean(bad for each, bad in wrong if each >= confidence) for confidence, _ in wrong)


def calibration_error(lines: list[Line]) -> float:
    bins: dict[int, list[float]] = {}
    for line in lines:
        gap = line["scores"]["correct"] - line["confidence"]
        bins.setdefault(min(9, math.floor(line["confidence"] * 10)), []).append(gap)
    return sum(abs(sum(gaps)) for gaps in bins.values()) / len(lines)


@pytest.mark.usefixtures("blank_plots")
def test_figures_can_be_computed_again_from_the_file_of_answers(settings: Settings, index: HybridIndex) -> None:
    run(settings, index)
    lines = [json.loads(line) for line in (settings.out / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    results = json.loads((settings.out / "results.json").read_text(encoding="utf-8"))
    told = {(each["arm"], each["figure"]): each for each in results["estimates"] if each["group"] == "all"}

    for arm in results["arms"]:
        own = [line for line in lines if line["arm"] == arm and line["condition"] == "as asked"]
        referenced = [line for line in own if line["reference"]]
        declined = [line for line in own if line["status"] in DECLINED]
        due = [line for line in own if DUE[line["kind"]] in DECLINED]
        given = [line for line in own if line["status"] == "answered"]
        both = [line for line in declined if line in due]
        expected = {
            "token_f1": [f1(line) for line in referenced],
            "status_accuracy": [line["status"] == DUE[line["kind"]] for line in own],
            "refusal_recall": [line in both for line in due],
            "refusal_precision": [line in both for line in declined],
            "coverage": [line in given for line in own],
        }
        if arm != "broken":
            ranks = [first_right(line) for line in own if line["uids"]]
            expected["mrr"] = [1 / rank if rank else 0 for rank in ranks]
            expected["hit@1"] = [rank == 1 for rank in ranks]
        for figure, values in expected.items():
            estimate = told[arm, figure]
            assert estimate["n"] == len(values), (arm, figure)
            if values:
                assert estimate["value"] == pytest.approx(fmean(values), abs=1e-6), (arm, figure)
        cited = [line["status"] == "answered" and bool(line["citations"]) for line in own]
        assert any(cited) == (arm != "broken")
        for line in own:
            assert all(citation["uid"] and citation["quote"] for citation in line["citations"])
            assert line["timings"]["total"] == line["scores"]["milliseconds"]
        if arm == "extractive":
            assert told[arm, "aurc"]["value"] == pytest.approx(area(given), abs=1e-6)
            assert told[arm, "ece"]["value"] == pytest.approx(calibration_error(given), abs=1e-6)


@pytest.mark.usefixtures("blank_plots")
def test_wins_ties_and_losses_can_be_counted_again(settings: Settings, index: HybridIndex) -> None:
    results = run(settings, index)
    lines = [json.loads(line) for line in (settings.out / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = {(line["arm"], line["number"]): line["scores"]["correct"] for line in lines}
    numbers = sorted({number for _, number in scores})
    found = [each for each in results["differences"] if each["figure"] == "correct"]
    assert len(found) == 3
    for each in found:
        gaps = [scores[each["arm"], number] - scores[each["other"], number] for number in numbers]
        assert each["value"] == pytest.approx(fmean(gaps))
        assert [each["wins"], each["ties"], each["losses"]] == [
            sum(gap > 0 for gap in gaps),
            gaps.count(0),
            sum(gap < 0 for gap in gaps),
        ]
