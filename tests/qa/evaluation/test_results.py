"""The result files of evaluations, and the notebook's recipe as a row of their table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import answers, tables
from benchmarks.answers import check_alike, result_of
from benchmarks.notebook import row_of
from finetune.masks import read_rows
from finetune.train import train
from qa.evaluation import Settings
from qa.evaluation.arms import ARMS
from qa.evaluation.asking import OpenedPipelines
from qa.evaluation.conditions import PRODUCTS_LOOKED_AT, WORDS_REMOVED
from qa.evaluation.earlier import EarlierRun
from qa.evaluation.errors import EvaluationError
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.prompt import build_messages
from tests.fakes import DECISION, KeywordRanker
from tests.finetune.tiny_llama import save_tiny_llama, tiny_recipe
from tests.qa.evaluation.runs import QUESTIONS, REGISTRY, lines_of, run

PAIR = {"tuned+retrieval": REGISTRY["extractive"], "tuned": REGISTRY["broken"]}


@pytest.fixture
def reports(settings: Settings, index: HybridIndex, blank_plots: None) -> tuple[Path, Path]:
    """A run of ours, and one of the notebook's adapter asked alone."""
    registry = {name: replace(arm, name=name) for name, arm in PAIR.items()}
    ours = replace(settings, arms=("tuned+retrieval",))
    notebook = replace(settings, arms=("tuned",), out=settings.out.with_name("notebook"))
    for each in (ours, notebook):
        run(each, index, registry=registry)
    return ours.out, notebook.out


def test_a_result_file_holds_figures_and_no_text(reports: tuple[Path, Path]) -> None:
    result = result_of(EarlierRun.read(reports[0]))
    told = json.dumps(result)
    for line in lines_of(reports[0]):
        assert line["question"] not in told
        assert not line["text"] or line["text"] not in told
    correct = result["figures"]["kind=fact"]["tuned+retrieval"]["correct"]
    assert correct["n"] == 6
    assert correct["interval_95"][0] <= correct["value"] <= correct["interval_95"][1]
    assert {"kind=absent", "noise=none", "lang=en"} <= set(result["figures"])
    assert result["robustness"] == []


def test_curves_are_kept(settings: Settings, index: HybridIndex, blank_plots: None) -> None:
    registry = {"tuned+retrieval": replace(REGISTRY["extractive"], name="tuned+retrieval")}
    run(replace(settings, arms=("tuned+retrieval",), robustness=True), index, registry=registry)
    points = result_of(EarlierRun.read(settings.out))["robustness"]
    assert {point["curve"] for point in points} == {PRODUCTS_LOOKED_AT, WORDS_REMOVED}


def test_the_notebook_is_an_arm_beside_ours_compared_question_by_question(reports: tuple[Path, Path]) -> None:
    result = result_of(*map(EarlierRun.read, reports))
    assert set(result["arms"]) == {"tuned+retrieval", "notebook"}
    assert result["figures"]["all"]["notebook"]["coverage"]["value"] == 1.0
    gap = next(each for each in result["differences"] if each["figure"] == "correct")
    assert (gap["arm"], gap["other"], gap["n"]) == ("tuned+retrieval", "notebook", len(QUESTIONS))
    assert gap["low"] > 0


@pytest.mark.usefixtures("blank_plots")
def test_differences_from_the_notebook_are_corrected_with_all_others(
    reports: tuple[Path, Path], settings: Settings, index: HybridIndex
) -> None:
    more = replace(settings, arms=("tuned+retrieval", "copy"), out=settings.out.with_name("more"))
    ours = replace(REGISTRY["extractive"], name="tuned+retrieval")
    run(more, index, registry={"tuned+retrieval": ours, "copy": REGISTRY["copy"]})
    by_pair = {
        (each["arm"], each["other"]): each
        for each in result_of(EarlierRun.read(more.out), EarlierRun.read(reports[1]))["differences"]
        if each["figure"] == "groundedness"
    }
    assert set(by_pair) == {("tuned+retrieval", "copy"), ("tuned+retrieval", "notebook")}
    gap = by_pair["tuned+retrieval", "notebook"]
    assert gap["p"] < 0.001
    assert gap["p_holm"] == pytest.approx(3 * gap["p"]), "three arms make three pairs"


def test_runs_over_other_questions_are_not_set_side_by_side() -> None:
    facts = {"answers_format": 2, "questions": 1, "model": "m", "prompt_version": 4, "seed": 0, "adapter": "a"}
    check_alike(facts, facts | {"adapter": "b", "decision": "c"})
    with pytest.raises(UsageError, match="The runs differ in questions; run both with the same"):
        check_alike(facts, facts | {"questions": 2})


def test_the_command_writes_figures_a_line_each_and_answers_only_when_told(
    reports: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    command = ["answers", "--report", str(reports[0]), "--notebook", str(reports[1]), "--name"]
    monkeypatch.setattr("sys.argv", [*command, "figures"])
    answers.main()
    text = (tmp_path / "figures.json").read_text(encoding="utf-8")
    assert json.loads(text)["figures"] == result_of(*map(EarlierRun.read, reports))["figures"]
    assert '"coverage": { "value": 1.0, "interval_95": [ 1.0, 1.0 ], "n": 24 }' in text
    assert not (tmp_path / "figures.jsonl").exists()
    drawn = (tmp_path / "figures-confidence.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert 5_000 < len(drawn) <= 60_000
    monkeypatch.setattr("sys.argv", [*command, "whole", "--whole"])
    answers.main()
    assert (tmp_path / "whole.jsonl").read_bytes() == (reports[0] / "answers.jsonl").read_bytes()
    rows = tables.answers_table("figures").splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| the notebook's recipe: titles and descriptions learned, asked alone",
        "| **tuned, with retrieval: what ships**",
    ]


def test_confidence_that_no_arm_states_is_not_drawn(
    reports: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["answers", "--report", str(reports[1]), "--name", "alone"])
    with pytest.raises(EvaluationError, match="None of the arms tuned states its confidence"):
        answers.main()
    assert not (tmp_path / "alone-confidence.png").exists()


def test_an_adapter_of_the_notebook_is_asked_what_it_was_trained_on(index: HybridIndex, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    products = list(index.catalogue)
    (rows / "train.jsonl").write_text("".join(json.dumps(row_of(product)) + "\n" for product in products))
    first = read_rows(rows / "train.jsonl")[0]
    assert list(first.prompt) == build_messages(f"What is {products[0].title}?", None)
    assert first.completion == products[0].content
    model = save_tiny_llama(tmp_path / "model")
    train(tiny_recipe(model, max_steps=2), rows, tmp_path / "adapter")
    opened = OpenedPipelines(index, KeywordRanker(), DECISION, str(model), str(tmp_path / "adapter"))
    pipeline = opened.open("tuned", None)
    given = ARMS["tuned"].ask(pipeline, QUESTIONS[:2])
    assert [(answer.status, answer.hits, set(answer.timings)) for answer in given] == [
        ("answered", (), {"generate", "total"})
    ] * 2
