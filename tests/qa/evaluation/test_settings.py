from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qa.evaluation.arms import ARMS
from qa.evaluation.groups import check_products, groups_of, which_are_seen
from qa.evaluation.settings import Settings
from retrieval.adapter import ADAPTER_FORMAT, ADAPTER_FORMAT_VERSION, fingerprints
from retrieval.errors import AdapterMismatch, UsageError
from retrieval.models import ADAPTER_WEIGHTS, RUN_FILE
from retrieval.prompt import PROMPT_VERSION
from retrieval.question_file import Question, write_questions

SETTINGS = Settings(Path("questions.jsonl"), Path("index"), Path("out"))
FACT = Question("how heavy is it?", "fact", ("TENT",), noise="typo")
ABSENT = Question("a kettle", "absent", lang="pt")
AMBIGUOUS = Question("a mug", "ambiguous", ("MUG1", "MUG2"))


def write_adapter(folder: Path, changes: dict[str, object]) -> Path:
    """An adapter's folder with weights that nobody reads."""
    folder.mkdir(exist_ok=True)
    base = {"id": "some/model", "weights_sha256": "0"}
    run = {"format": ADAPTER_FORMAT, "format_version": ADAPTER_FORMAT_VERSION, "base_model": base, "index": None}
    (folder / RUN_FILE).write_text(json.dumps(run | {"prompt_version": PROMPT_VERSION} | changes))
    (folder / ADAPTER_WEIGHTS).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"limit": 0}, "--limit is 0; it must be at least 1"),
        ({"limit": -3}, "--limit is -3"),
        ({"seed": -1}, "--seed is -1; it must not be negative"),
        ({"arms": ()}, "--arms names no arm"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        replace(SETTINGS, **wrong)


def test_arms_are_taken_in_the_order_they_are_named() -> None:
    by_default = [name for name in ARMS if not name.endswith(("+free", "+decided"))]
    assert list(SETTINGS.chosen_arms(ARMS, [FACT])) == by_default
    named = replace(SETTINGS, arms=("extractive", "copy", "extractive"))
    assert list(named.chosen_arms(ARMS, [FACT])) == ["extractive", "copy"]


def test_an_unknown_arm_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"No arm 'tuned-retrieval' \(did you mean tuned\+retrieval\?\); there are: "):
        replace(SETTINGS, arms=("tuned-retrieval",)).chosen_arms(ARMS, [FACT])
    with pytest.raises(UsageError, match=r"No arm 'xyz'; there are: .*extractive"):
        replace(SETTINGS, arms=("copy", "xyz")).chosen_arms(ARMS, [FACT])


def test_an_arm_that_fits_no_question_is_refused() -> None:
    gold = replace(SETTINGS, arms=("copy", "tuned+gold"))
    with pytest.raises(UsageError, match=r"Arm tuned\+gold fits none of the 2 questions"):
        gold.chosen_arms(ARMS, [ABSENT, AMBIGUOUS])
    assert "tuned+gold" in gold.chosen_arms(ARMS, [ABSENT, FACT])


def test_tuned_arms_need_an_adapter_of_this_prompt(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no adapter for some/model"):
        replace(SETTINGS, model="some/model").check_adapter()
    strange = write_adapter(tmp_path, {"prompt_version": PROMPT_VERSION + 1})
    with pytest.raises(AdapterMismatch, match="trained with prompt version"):
        replace(SETTINGS, model=str(tmp_path), adapter=str(strange)).check_adapter()


def test_the_first_questions_are_asked(tmp_path: Path) -> None:
    settings = replace(SETTINGS, questions=tmp_path / "questions.jsonl")
    write_questions(settings.questions, [FACT, ABSENT, AMBIGUOUS])
    assert settings.chosen_questions() == [FACT, ABSENT, AMBIGUOUS]
    assert replace(settings, limit=2).chosen_questions() == [FACT, ABSENT]
    assert replace(settings, limit=9).chosen_questions() == [FACT, ABSENT, AMBIGUOUS]
    with pytest.raises(UsageError, match=r"No question file at .*question\.jsonl \(did you mean .*questions\."):
        replace(settings, questions=tmp_path / "question.jsonl").chosen_questions()


def test_seen_products_are_read(tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text('{"seen_uids": ["TENT", "MUG1"], "seed": 0}')
    assert replace(SETTINGS, seen=tmp_path / "seen.json").seen_uids() == {"TENT", "MUG1"}
    assert replace(SETTINGS, adapter="none").seen_uids() is None
    with pytest.raises(
        UsageError, match=r"No adapter or file of seen products at .*sen\.json \(did you mean .*seen\.json\?\)"
    ):
        replace(SETTINGS, seen=tmp_path / "sen.json").seen_uids()


def test_an_adapter_tells_what_it_has_seen_without_naming_it(tmp_path: Path) -> None:
    silent = replace(SETTINGS, adapter=str(write_adapter(tmp_path / "silent", {})))
    assert (silent.seen_uids(), silent.told_seen_by) == (None, None)
    folder = write_adapter(tmp_path / "telling", {"seen": fingerprints(["TENT", "MUG1"])})
    assert "TENT" not in (folder / RUN_FILE).read_text()
    telling = replace(SETTINGS, adapter=str(folder)).seen_uids()
    assert replace(SETTINGS, adapter=str(folder)).told_seen_by == folder
    assert which_are_seen([FACT, ABSENT, AMBIGUOUS], telling) == [True, None, True]
    assert which_are_seen([replace(FACT, uids=("KETTLE",))], telling) == [False]
    (tmp_path / "seen.json").write_text('{"seen_uids": ["KETTLE"]}')
    assert replace(SETTINGS, adapter=str(folder), seen=tmp_path / "seen.json").seen_uids() == {"KETTLE"}


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"seen_uids"',
        b'{"uids": []}',
        b'{"seen_uids": null}',
        b'{"seen_uids": "TENT"}',
        b'{"seen_uids": {"TENT": 1}}',
        b'{"seen_uids": [["TENT"]]}',
    ],
)
def test_a_file_that_lists_no_seen_products_is_refused(tmp_path: Path, wrong: bytes) -> None:
    (tmp_path / "seen.json").write_bytes(wrong)
    with pytest.raises(UsageError, match=r"seen\.json is not JSON with a list seen_uids"):
        replace(SETTINGS, seen=tmp_path / "seen.json").seen_uids()


def test_a_question_is_seen_when_one_of_its_products_was_tuned_on() -> None:
    questions = [FACT, ABSENT, AMBIGUOUS]
    assert which_are_seen(questions, frozenset({"MUG2"})) == [False, None, True]
    assert which_are_seen(questions, None) == [None, None, None]


def test_questions_fall_into_groups() -> None:
    groups = groups_of([FACT, ABSENT, AMBIGUOUS], [False, None, True])
    assert {name: list(rows) for name, rows in groups.items()} == {
        "all": [0, 1, 2],
        "kind=absent": [1],
        "kind=ambiguous": [2],
        "kind=fact": [0],
        "noise=none": [1, 2],
        "noise=typo": [0],
        "lang=en": [0, 2],
        "lang=pt": [1],
        "seen": [2],
        "unseen": [0],
    }
    assert not {"seen", "unseen"} & set(groups_of([FACT], [None]))


def test_a_question_about_a_product_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Question 2 \('a mug'\) names MUG1, not in the index"):
        check_products([FACT, AMBIGUOUS], {"TENT": object()}.get)
