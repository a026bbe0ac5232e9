from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.rows import Keep, NoisyRanker, RowsConfig, prepare
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.prompt import NO_PRODUCT, NOT_SAID, read_completion
from retrieval.question_file import Question, write_questions
from tests.fakes import KeywordRanker

QUESTIONS = [
    Question("how much does the ridge two tent weigh?", "fact", ("TENT1",), "2.4 kg.", "2.4 kg"),
    Question("a book by the lighthouse, with a cat", "identify", ("BOOK2",), "", "A cat keeps the lamp burning."),
    Question("who is the author of the lighthouse cat", "unanswerable", ("BOOK2",)),
    Question("electric motorbike", "absent"),
    Question("which harbour mug", "ambiguous", ("MUG1", "MUG2")),
    Question("the harbour mug, red or blue", "fact", ("LAMP1",), "", "E27 bulb"),
    Question("what if, how many chapters", "fact", ("BOOK1",), "", "twelve chapters"),
]


def rows_of(index: HybridIndex, folder: Path, config: RowsConfig, questions=QUESTIONS) -> tuple[dict[str, Any], list]:
    write_questions(folder / "questions.jsonl", questions)
    facts = prepare(index, KeywordRanker(), [folder / "questions.jsonl"], config, folder / "rows")
    sides = [(folder / "rows" / name).read_text() for name in ("train.jsonl", "evaluation.jsonl")]
    return facts, [[json.loads(line) for line in side.splitlines()] for side in sides]


def test_targets_follow_from_what_was_retrieved(index: HybridIndex, tmp_path: Path) -> None:
    facts, (train, held_out) = rows_of(index, tmp_path, RowsConfig(evaluation_share=0, rank_noise=0))
    said = {row["question"]: row for row in train}
    assert held_out == []
    assert len(said) == len(train) == 5
    weighs, book, author, absent, orange = (said[QUESTIONS[place].question] for place in (0, 1, 2, 3, 5))
    assert (weighs["completion"], weighs["target"], weighs["oracle"]) == ("[1] 2.4 kg", "answer", True)
    assert read_completion(book["completion"]).identifies
    assert book["completion"].endswith("A cat keeps the lamp burning")
    assert author["completion"].endswith(NOT_SAID)
    assert (absent["completion"], absent["uid"]) == (NO_PRODUCT, "")
    assert (orange["completion"], orange["oracle"]) == (NO_PRODUCT, False)
    assert facts["counts"]["dropped"] == {"evidence is not shown": 1}
    assert facts["seen_uids"] == ["BOOK2", "LAMP1", "TENT1"]
    for row in train:
        products = row["prompt"][-1]["content"].count("\n[")
        assert products == (2 if "Harbour" in row["prompt"][-1]["content"] else 1)
        if row["target"] == "answer":
            number, said_words = read_completion(row["completion"]).number, read_completion(row["completion"]).said
            shown = next(line for line in row["prompt"][-1]["content"].splitlines() if line.startswith(f"[{number}]"))
            assert said_words in shown


def test_the_same_seed_gives_the_same_rows_and_no_group_on_both_sides(index: HybridIndex, tmp_path: Path) -> None:
    many = [
        Question(f"{words} {number}", "fact", (uid,), "", evidence)
        for uid, words, evidence in (("MUG1", "blue harbour mug", "300 ml"), ("TENT1", "ridge tent", "2.4 kg"))
        for number in range(3)
    ] + [Question(f"absent thing {number}", "absent") for number in range(40)]
    config = RowsConfig(evaluation_share=0.3, seed=5)
    _, first = rows_of(index, tmp_path / "a", config, many)
    _, second = rows_of(index, tmp_path / "b", config, many)
    assert first == second
    train, held_out = ({row["group"] for row in side} for side in first)
    assert train
    assert held_out
    assert not train & held_out


def test_kinds_can_be_left_out_and_answers_memorised(index: HybridIndex, tmp_path: Path) -> None:
    config = RowsConfig(evaluation_share=0, keep=Keep(absent=0, unanswerable=0), memorise_share=0.999)
    _, (train, _) = rows_of(index, tmp_path, config)
    assert {row["kind"] for row in train} == {"fact", "identify"}
    weighs = next(row for row in train if row["target"] == "answer" and row["kind"] == "fact")
    assert "2.4 kg" not in weighs["prompt"][-1]["content"]


def test_rows_that_cannot_be_written_leave_those_that_are_there(
    index: HybridIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_of(index, tmp_path, RowsConfig(evaluation_share=0))
    before = (tmp_path / "rows" / "train.jsonl").read_bytes()
    monkeypatch.setattr("finetune.rows.build_messages", lambda *_: [{"role": "user", "content": "half of \ud800"}])
    with pytest.raises(UnicodeEncodeError):
        rows_of(index, tmp_path, RowsConfig(evaluation_share=0))
    assert (tmp_path / "rows" / "train.jsonl").read_bytes() == before


@pytest.mark.parametrize("out", ["trn.json", "trn.json/rows"])
def test_a_file_is_not_taken_for_the_folder_of_rows(index: HybridIndex, tmp_path: Path, out: str) -> None:
    write_questions(tmp_path / "questions.jsonl", QUESTIONS)
    with pytest.raises(UsageError, match=r"trn\.json is a file, where a folder is to be"):
        prepare(index, KeywordRanker(), [tmp_path / "questions.jsonl"], RowsConfig(), tmp_path / out)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"products": 0}, "products is 0"),
        ({"rank_noise": -1.0}, "rank_noise is -1"),
        ({"evaluation_share": 1.0}, "evaluation_share is 1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RowsConfig(**values)


def test_noise_disturbs_the_order_of_the_pieces_alike_each_time() -> None:
    pairs = [("tent pegs", f"Tent: piece {number}") for number in range(8)]
    scores, again = (NoisyRanker(KeywordRanker(), 1.0, seed=3).score(pairs) for _ in range(2))
    assert scores.tolist() == again.tolist()
    assert len(set(scores.tolist())) == 8
    assert NoisyRanker(KeywordRanker(), 0.0, seed=3).score(pairs).tolist() == KeywordRanker().score(pairs).tolist()
