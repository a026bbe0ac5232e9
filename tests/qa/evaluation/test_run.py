from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qa.answers import Answer
from qa.engine import ProductQA
from qa.evaluation import Settings, evaluate
from qa.evaluation.arms import ARMS, Arm
from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import MEASURES
from qa.evaluation.measures.case import Case
from qa.evaluation.measures.semantic import TokenVectors
from qa.evaluation.tools import ModelTools
from retrieval import index as index_module
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.question_file import Question, write_questions
from tests.fakes import KeywordEncoder, ScriptedGenerator, pipeline_over

QUESTIONS = [
    question
    for number in range(6)
    for question in (
        Question(
            f"the ridge two tent sleeps how many people {number}",
            "fact",
            ("TENT1",),
            "Two people.",
            "Sleeps two people.",
        ),
        Question(f"a cat keeps the lamp burning {number}", "identify", ("BOOK2",), "The Lighthouse Cat", "A cat keeps"),
        Question(f"who designed the ridge two tent {number}", "unanswerable", ("TENT1",)),
        Question(f"electric motorbike {number}", "absent"),
    )
]


class FakePipelines:
    """Opens pipelines over one index; counts what they are asked."""

    def __init__(self, index: HybridIndex) -> None:
        self.index = index

    def open(self, reader: str, k: int | None) -> ProductQA:
        generator = None if reader == "extractive" else ScriptedGenerator()
        return pipeline_over(self.index, generator, **({} if k is None else {"k": k}))


class FakeModels:
    """Token vectors and perplexities that depend on the text alone."""

    def embed(self, texts: Sequence[str]) -> list[TokenVectors]:
        return [
            (KeywordEncoder().encode_passages(text.split()), np.ones(len(text.split()), np.float32)) for text in texts
        ]

    def measure(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        return [(10.0 + len(text), len(text.split())) for text in texts]


def broken(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    return [Answer("Designed by Ann Lee in 1999.", "answered", timings={"total": 1.0}) for _ in questions]


REGISTRY = {
    "extractive": ARMS["extractive"],
    "copy": ARMS["copy"],
    "broken": Arm("broken", "invents", "extractive", broken, searches=False, confident=False),
}


@pytest.fixture(autouse=True)
def keyword_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are opened again by their folder: with the encoder they were built with."""
    opened = HybridIndex.open.__func__
    monkeypatch.setattr(
        index_module.HybridIndex,
        "open",
        classmethod(lambda cls, folder, **options: opened(cls, folder, **({"encoder": KeywordEncoder()} | options))),
    )


@pytest.fixture
def settings(index: HybridIndex, tmp_path: Path) -> Settings:
    write_questions(tmp_path / "questions.jsonl", QUESTIONS)
    return Settings(tmp_path / "questions.jsonl", index.folder, tmp_path / "run", arms=tuple(REGISTRY))


def run(settings: Settings, index: HybridIndex, **options: object) -> dict[str, object]:
    tools = ModelTools(KeywordEncoder(), FakeModels(), FakeModels())
    return evaluate(settings, **({"registry": REGISTRY, "pipelines": FakePipelines(index), "tools": tools} | options))


def estimates(results: dict[str, object]) -> list[object]:
    return [each for each in results["estimates"] if not each["figure"].startswith("ms_")]


def test_a_run_writes_every_answer_and_a_broken_arm_loses(settings: Settings, index: HybridIndex) -> None:
    results = run(settings, index)
    lines = [json.loads(line) for line in (settings.out / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == len(QUESTIONS) * len(REGISTRY)
    assert {(line["arm"], line["number"]) for line in lines} == {
        (a, n) for a in REGISTRY for n in range(len(QUESTIONS))
    }
    assert all(line["scores"]["correct"] in (0.0, 1.0) for line in lines)
    pairs = {(each["arm"], each["other"], each["figure"]): each for each in results["differences"]}
    for figure in ("correct", "groundedness", "token_f1"):
        lost = pairs["extractive", "broken", figure]
        assert lost["low"] > 0, figure
        assert lost["p_holm"] < 0.05, figure
    page = (settings.out / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["']https?://""", page)
    assert "extractive" in page
    assert (settings.out / "report.md").read_text().startswith("#")
    assert json.loads((settings.out / "results.json").read_text())["estimates"] == results["estimates"]


def test_a_run_that_was_cut_off_goes_on_and_equals_an_unbroken_one(
    settings: Settings, index: HybridIndex, tmp_path: Path
) -> None:
    whole = run(settings, index)
    asked = 0

    def fails_at_the_end(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
        nonlocal asked
        asked += len(questions)
        if asked > 8:
            raise KeyboardInterrupt
        return broken(pipeline, questions)

    again = replace(settings, out=tmp_path / "again")
    failing = REGISTRY | {"broken": replace(REGISTRY["broken"], ask=fails_at_the_end)}
    with pytest.raises(KeyboardInterrupt):
        run(again, index, registry=failing)
    journal = again.out / "answers.jsonl"
    before = journal.read_bytes()
    assert 0 < before.count(b"\n") < len(QUESTIONS) * len(REGISTRY)
    journal.write_bytes(before + b'{"arm": "bro')
    resumed = run(again, index)
    assert estimates(resumed) == estimates(whole)
    untimed = [
        [{k: v for k, v in json.loads(line).items() if k not in ("timings", "scores")} for line in text.splitlines()]
        for text in (journal.read_text(), (settings.out / "answers.jsonl").read_text())
    ]
    assert untimed[0] == untimed[1]


def test_a_folder_of_another_run_is_left_alone(settings: Settings, index: HybridIndex) -> None:
    run(settings, index)
    before = (settings.out / "answers.jsonl").read_bytes()
    with pytest.raises(EvaluationError, match=r"holds a run of other facts .*seed was 0, is 1"):
        run(replace(settings, seed=1), index)
    assert (settings.out / "answers.jsonl").read_bytes() == before


def test_two_runs_are_set_side_by_side(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    run(settings, index)
    other = replace(settings, out=tmp_path / "other", compare=settings.out)
    assert run(other, index)["comparison"]
    assert run(settings, index)["comparison"] is None


def test_robustness_asks_with_fewer_words_and_other_numbers_of_products(settings: Settings, index: HybridIndex) -> None:
    few = replace(settings, robustness=True, limit=4, arms=("extractive",))
    results = run(few, index)
    assert results["robustness"]
    conditions = {json.loads(line)["condition"] for line in (few.out / "answers.jsonl").read_text().splitlines()}
    assert len(conditions) > 4


def test_a_measure_that_fails_stops_the_run_with_its_reason(settings: Settings, index: HybridIndex) -> None:
    def failing(case: Case) -> dict[str, float | None]:
        return {"correct": 1 / 0}

    def endless(case: Case) -> dict[str, float | None]:
        return {"correct": float("inf")}

    with pytest.raises(EvaluationError, match=r"cannot score arm extractive .*ZeroDivisionError"):
        run(settings, index, measures=(*MEASURES, failing))
    with pytest.raises(EvaluationError, match=r"correct of arm extractive .* is inf: no figure"):
        run(settings, index, measures=(*MEASURES, endless))


def test_an_arm_that_loses_a_question_is_told(settings: Settings, index: HybridIndex) -> None:
    short = REGISTRY | {"broken": replace(REGISTRY["broken"], ask=lambda pipeline, asked: broken(pipeline, asked)[1:])}
    with pytest.raises(EvaluationError, match="Arm broken gave 7 answers to 8 questions"):
        run(settings, index, registry=short)


def test_what_cannot_be_asked_is_refused(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No arm 'extractiv' \(did you mean extractive\?\)"):
        run(replace(settings, arms=("extractiv",)), index)
    with pytest.raises(UsageError, match="--limit is 0"):
        replace(settings, limit=0)
    with pytest.raises(UsageError, match="--seed is -1"):
        replace(settings, seed=-1)
    with pytest.raises(UsageError, match="--arms names no arm"):
        replace(settings, arms=())
    with pytest.raises(UsageError, match="No file of seen products"):
        run(replace(settings, seen=tmp_path / "none.json"), index)
    (tmp_path / "wrong.json").write_text("[]")
    with pytest.raises(UsageError, match="not JSON with a list seen_uids"):
        run(replace(settings, seen=tmp_path / "wrong.json"), index)
    with pytest.raises(UsageError, match="There is no adapter for some/model"):
        replace(settings, model="some/model").check_adapter()


def test_seen_and_unseen_products_are_told_apart(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text(json.dumps({"seen_uids": ["TENT1"]}))
    results = run(replace(settings, seen=tmp_path / "seen.json", arms=("extractive",)), index)
    assert results["groups"]["seen"] == 12
    assert results["groups"]["unseen"] == 6
