from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import pytest
from filelock import FileLock
from selectolax.lexbor import LexborHTMLParser

from qa.answers import Answer
from qa.decision import Decision
from qa.engine import ProductQA
from qa.evaluation import Settings
from qa.evaluation.arms import ARMS
from qa.evaluation.conditions import LOOKED_AT
from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import FIGURES, MEASURES
from qa.evaluation.measures.case import Case
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.question_file import Question, write_questions
from tests.fakes import DECISION, pipeline_over
from tests.qa.evaluation.runs import INVENTED, QUESTIONS, REGISTRY, broken, lines_of, run, untimed, untimed_lines


def test_a_run_writes_every_answer_and_a_broken_arm_loses(settings: Settings, index: HybridIndex) -> None:
    results = run(settings, index)
    lines = lines_of(settings.out)
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
    assert (settings.out / "report.md").read_text().startswith("#")
    assert json.loads((settings.out / "results.json").read_text())["estimates"] == results["estimates"]


@pytest.mark.usefixtures("blank_plots")
def test_a_run_takes_and_tells_what_ranks_and_decides(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    replace(DECISION, threshold=0.0).save(tmp_path / "always.json")
    chosen = replace(settings, limit=4, arms=("extractive",), rerank="none", evidence=tmp_path / "mine")
    statuses = {}
    for decision in (None, tmp_path / "always.json"):
        out = tmp_path / f"out of {decision and decision.stem}"
        facts = run(replace(chosen, out=out, decision=decision), index, pipelines=None)["facts"]
        assert facts["evidence_ranker"] == {"sha256": f"of {tmp_path / 'mine'}", "arithmetic": "exact"}
        assert facts["reranker"] is None
        assert facts["decision"] == asdict(Decision.read(decision))
        statuses[decision and decision.stem] = [line["status"] for line in lines_of(out)]
    assert "not_in_description" in statuses[None]
    assert "not_in_description" not in statuses["always"]


def test_the_page_loads_nothing_and_shows_markup_as_text(settings: Settings, index: HybridIndex) -> None:
    run(replace(settings, limit=4, arms=("broken", "extractive")), index)
    page = LexborHTMLParser((settings.out / "report.html").read_text())
    loaded = [node.attributes.get("src") or node.attributes.get("href") for node in page.css("[src], [href]")]
    assert len(loaded) >= 6
    assert all(each.startswith("data:image/svg+xml;base64,") for each in loaded)
    assert not page.css("script, link")
    assert not any(word in style.text() for style in page.css("style") for word in ("url(", "@import"))
    assert INVENTED in page.body.text()


@pytest.mark.usefixtures("blank_plots")
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
    assert untimed(resumed) == untimed(whole)
    assert untimed_lines(again.out) == untimed_lines(settings.out)


@pytest.mark.usefixtures("blank_plots")
def test_a_run_that_was_cut_off_as_it_noted_its_facts_starts_anew(
    settings: Settings, index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(path: Path, text: str, **options: object) -> None:
        path.write_bytes(text.encode()[: len(text) // 2])
        raise KeyboardInterrupt

    few = replace(settings, limit=4, arms=("copy",))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_half)
        with pytest.raises(KeyboardInterrupt):
            run(few, index)
    run(few, index)
    assert len(lines_of(few.out)) == 4


@pytest.mark.usefixtures("blank_plots")
def test_a_finished_run_is_not_asked_again(settings: Settings, index: HybridIndex) -> None:
    few = replace(settings, limit=4)
    run(few, index)
    before = (few.out / "answers.jsonl").read_bytes()
    silent = {
        name: replace(arm, ask=lambda pipeline, asked: pytest.fail("asked again")) for name, arm in REGISTRY.items()
    }
    run(few, index, registry=silent)
    assert (few.out / "answers.jsonl").read_bytes() == before


@pytest.mark.usefixtures("blank_plots")
def test_arms_that_are_left_out_keep_their_answers(settings: Settings, index: HybridIndex) -> None:
    def kept() -> list[str]:
        lines = (settings.out / "answers.jsonl").read_text(encoding="utf-8").split("\n")
        return sorted(json.dumps(json.loads(line), sort_keys=True) for line in lines if line)

    run(settings, index)
    before = kept()
    run(replace(settings, arms=("copy",)), index)
    assert kept() == before


def test_a_folder_of_another_run_is_left_alone(settings: Settings, index: HybridIndex) -> None:
    run(settings, index)
    before = (settings.out / "answers.jsonl").read_bytes()
    with pytest.raises(EvaluationError, match=r"holds a run of other facts .*seed was 0, is 1"):
        run(replace(settings, seed=1), index)
    with pytest.raises(EvaluationError, match=r"questions was .*'count': 24.*, is .*'count': 4"):
        run(replace(settings, limit=4), index)
    (Path(settings.model) / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(EvaluationError, match=r"holds a run of other facts \(model was "):
        run(settings, index)
    assert (settings.out / "answers.jsonl").read_bytes() == before


def test_a_folder_in_use_or_without_its_facts_is_left_alone(settings: Settings, index: HybridIndex) -> None:
    settings.out.mkdir()
    with (
        FileLock(settings.out / ".lock"),
        pytest.raises(EvaluationError, match=r"Another evaluation is writing to .*run; wait"),
    ):
        run(settings, index)
    (settings.out / "answers.jsonl").write_text("{}\n")
    with pytest.raises(EvaluationError, match=r"answers\.jsonl has no run\.json beside it"):
        run(settings, index)
    assert (settings.out / "answers.jsonl").read_text() == "{}\n"


@pytest.mark.usefixtures("blank_plots")
def test_two_runs_are_set_side_by_side(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    both = replace(settings, limit=12, arms=("extractive", "copy"))
    assert run(both, index)["comparison"] is None
    worse = REGISTRY | {"copy": replace(REGISTRY["copy"], ask=broken)}
    later = run(replace(both, out=tmp_path / "later", compare=both.out), index, registry=worse)["comparison"]
    assert (later["with"], later["changed"]) == ("run", {})
    rows = {(row["arm"], row["figure"]): row for row in later["rows"]}
    same, lost = rows["extractive", "correct"], rows["copy", "groundedness"]
    assert same["here"] == same["there"]
    assert (same["difference"]["value"], same["difference"]["p"]) == (0.0, 1.0)
    assert (lost["there"]["value"], lost["here"]["value"], lost["difference"]["value"]) == (1.0, 0.0, -1.0)
    assert "Beside run" in (tmp_path / "later" / "report.html").read_text()


@pytest.mark.usefixtures("blank_plots")
def test_runs_over_other_questions_have_no_differences(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    few = replace(settings, limit=4, arms=("copy",))
    run(few, index)
    longer = replace(few, limit=8, seed=1, out=tmp_path / "longer", compare=few.out)
    comparison = run(longer, index)["comparison"]
    assert set(comparison["changed"]) == {"questions", "seed"}
    assert comparison["changed"]["seed"] == [0, 1]
    assert {row["difference"] for row in comparison["rows"]} == {None}


@pytest.mark.usefixtures("blank_plots")
def test_what_is_no_finished_run_is_not_compared_with(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    few = replace(settings, limit=4, arms=("copy",))
    beside = replace(few, out=tmp_path / "beside", compare=few.out)
    with pytest.raises(UsageError, match=r"No finished evaluation at .*results\.json"):
        run(beside, index)
    run(few, index)
    with pytest.raises(UsageError, match="has none of the arms extractive"):
        run(replace(beside, arms=("extractive",)), index)
    answers = few.out / "answers.jsonl"
    unscored = [{name: value for name, value in line.items() if name != "scores"} for line in lines_of(few.out)]
    answers.write_text("".join(json.dumps(line) + "\n" for line in unscored))
    with pytest.raises(EvaluationError, match="is being written"):
        run(beside, index)
    answers.unlink()
    with pytest.raises(UsageError, match=r"No finished evaluation at .*answers\.jsonl"):
        run(beside, index)


@pytest.mark.usefixtures("blank_plots")
def test_line_separators_within_an_answer_end_no_line(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    def separated(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
        return [replace(answer, text="Two\u2028people\u0085sleep.\r\n") for answer in broken(pipeline, questions)]

    odd = {"broken": replace(REGISTRY["broken"], ask=separated)}
    few = replace(settings, limit=4, arms=("broken",))
    first = run(few, index, registry=odd)
    assert untimed(run(few, index, registry=odd)) == untimed(first)
    assert run(replace(few, out=tmp_path / "other", compare=few.out), index, registry=odd)["comparison"]["rows"]


def test_robustness_asks_with_fewer_words_and_other_numbers_of_products(settings: Settings, index: HybridIndex) -> None:
    heard = set()

    def listening(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
        heard.update((pipeline.k, len(question.question.split())) for question in questions)
        return REGISTRY["extractive"].ask(pipeline, questions)

    registry = REGISTRY | {"extractive": replace(REGISTRY["extractive"], ask=listening)}
    few = replace(settings, robustness=True, limit=1, arms=("extractive", "broken"))
    results = run(few, index, registry=registry)
    usual = pipeline_over(index, None).k
    others = [k for k in LOOKED_AT if k != usual]
    assert heard == {(usual, 9), (usual, 7), (usual, 5), *((k, 9) for k in others)}
    assert {point["figure"] for point in results["robustness"]} == {figure.name for figure in FIGURES}
    correct = [point for point in results["robustness"] if point["figure"] == "correct"]
    assert [(point["curve"], point["at"], point["arm"]) for point in correct] == [
        *(("products looked at", at, "extractive") for at in sorted({usual, *LOOKED_AT})),
        *(("share of words removed", at, "extractive") for at in (0.0, 0.25, 0.5)),
    ]
    conditions = [(line["arm"], line["condition"]) for line in lines_of(few.out)]
    asked = ("as asked", *(f"k={k}" for k in others), "words-0.25", "words-0.5")
    assert sorted(conditions) == [("broken", "as asked"), *(("extractive", condition) for condition in asked)]
    assert {line["question"] for line in lines_of(few.out)} == {QUESTIONS[0].question}


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


def test_what_cannot_be_asked_is_refused_before_a_folder_is_made(settings: Settings, index: HybridIndex) -> None:
    with pytest.raises(UsageError, match=r"No arm 'extractiv' \(did you mean extractive\?\)"):
        run(replace(settings, arms=("extractiv",)), index)
    with pytest.raises(UsageError, match="No adapter or file of seen products"):
        run(replace(settings, seen=settings.out / "none.json"), index)
    write_questions(settings.questions, [Question("how tall is it?", "fact", ("GONE",))])
    with pytest.raises(UsageError, match="names GONE, not in the index"):
        run(settings, index)
    assert not settings.out.exists()


@pytest.mark.usefixtures("blank_plots")
def test_the_record_says_when_nothing_tells_what_was_seen(settings: Settings, index: HybridIndex) -> None:
    results = run(replace(settings, arms=("copy",)), index)
    assert results["seen"] == {"seen": 0, "unseen": 0, "not known": 24, "told_by": "nothing"}
    assert '"told_by": "nothing"' in (settings.out / "report.md").read_text()


@pytest.mark.usefixtures("blank_plots")
def test_tokens_are_counted_of_arms_with_a_language_model(settings: Settings, index: HybridIndex) -> None:
    both = replace(settings, arms=("untuned+retrieval", "untuned", "extractive"))
    results = run(both, index, registry=ARMS)
    told = {(each["arm"], each["figure"]): each for each in results["estimates"] if each["group"] == "all"}
    assert told["extractive", "prompt_tokens"]["value"] is None
    assert told["extractive", "prompt_tokens"]["reason"] == (
        "it counts an answer of an arm with a language model; there is none"
    )
    for arm in ("untuned+retrieval", "untuned"):
        lines = [line["tokens"] for line in lines_of(settings.out) if line["arm"] == arm]
        for kind in ("prompt", "completion"):
            counted = fmean(tokens.get(kind, 0) for tokens in lines)
            assert told[arm, f"{kind}_tokens"]["value"] == pytest.approx(counted)
            assert counted > 0
        assert ({} in lines) == (arm == "untuned+retrieval"), "a question that is declined takes no tokens"


@pytest.mark.usefixtures("blank_plots")
def test_a_run_without_counted_tokens_is_not_gone_on_with_but_compared(
    settings: Settings, index: HybridIndex, tmp_path: Path
) -> None:
    few = replace(settings, limit=8, arms=("copy",))
    run(few, index)
    facts = json.loads((few.out / "run.json").read_text())
    results = json.loads((few.out / "results.json").read_text())
    for older in (facts, results["facts"]):
        del older["answers_format"]
    results["estimates"] = [each for each in results["estimates"] if not each["figure"].endswith("_tokens")]
    lines = lines_of(few.out)
    for line in lines:
        del line["tokens"], line["scores"]["prompt_tokens"], line["scores"]["completion_tokens"]
    (few.out / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (few.out / "run.json").write_text(json.dumps(facts))
    (few.out / "results.json").write_text(json.dumps(results))
    with pytest.raises(EvaluationError, match=r"other facts \(answers_format was None, is 2\); name another folder"):
        run(few, index)
    comparison = run(replace(few, out=tmp_path / "later", compare=few.out), index)["comparison"]
    assert set(comparison["changed"]) == {"answers_format"}
    rows = {row["figure"]: row for row in comparison["rows"]}
    assert rows["correct"]["here"] == rows["correct"]["there"]
    assert "prompt_tokens" not in rows


@pytest.mark.usefixtures("blank_plots")
def test_seen_and_unseen_products_are_told_apart(settings: Settings, index: HybridIndex, tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text(json.dumps({"seen_uids": ["TENT1"]}))
    results = run(replace(settings, seen=tmp_path / "seen.json", arms=("extractive",)), index)
    assert results["groups"]["seen"] == 12
    assert results["groups"]["unseen"] == 6
    assert results["seen"] == {"seen": 12, "unseen": 6, "not known": 6, "told_by": "seen.json"}
    assert results["took"] | {"seconds": 0} == {"seconds": 0, "answers": 24, "of_them_anew": 24}
