from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from finetune.cli import main
from finetune.reranker import learn_reranker
from retrieval.build import build_index
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.rerank import Reranker
from tests.conftest import ROWS, SAMPLE, WriteCatalogue
from tests.fakes import KeywordEncoder


@pytest.fixture
def shop(tmp_path: Path, write_catalogue: WriteCatalogue) -> tuple[HybridIndex, Path]:
    """Products whose colour stands in the content alone, and questions that name colour and thing."""
    rng = random.Random(3)
    things, colours = ["mug", "tent", "lamp", "chair", "scarf"], ["red", "blue", "green", "black"]
    rows = [
        {
            "uid": f"{thing}-{colour}",
            "title": f"{thing} {rng.randrange(999)}",
            "content": f"{colour} finish. {thing * 2}.",
        }
        for thing in things
        for colour in colours
    ]
    questions = [
        {"question": f"a {colour} {thing} please", "kind": "identify", "uids": [f"{thing}-{colour}"]}
        for thing in things
        for colour in colours
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(question) + "\n" for question in questions))
    build_index([write_catalogue(rows)], tmp_path / "index", encoder=KeywordEncoder())
    return HybridIndex.open(tmp_path / "index", encoder=KeywordEncoder(), rerank="none"), path


def test_learned_weights_lower_the_loss_and_are_the_same_each_time(shop: tuple[HybridIndex, Path]) -> None:
    index, questions = shop
    learned = learn_reranker(index, [questions])
    assert learned.facts["loss"]["last"] < learned.facts["loss"]["first"] / 2
    assert learned.weights == learn_reranker(index, [questions]).weights
    assert learned.fits(index.manifest["encoder"])


def test_learned_weights_put_the_right_product_first(shop: tuple[HybridIndex, Path], tmp_path: Path) -> None:
    index, questions = shop
    learn_reranker(index, [questions]).save(tmp_path / "weights.json")
    tuned = HybridIndex.open(index.folder, encoder=KeywordEncoder(), rerank=str(tmp_path / "weights.json"))
    asked = [json.loads(line) for line in questions.read_text().splitlines()]
    assert all(tuned.search(row["question"])[0].product.uid == row["uids"][0] for row in asked)


def test_questions_without_a_findable_product_are_an_error(index: HybridIndex, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"question": "mug", "kind": "identify", "uids": ["GONE"]}) + "\n")
    with pytest.raises(UsageError, match=r"No question of .* has its product"):
        learn_reranker(index, [path])
    with pytest.raises(UsageError, match=r"did you mean .*questions\.jsonl"):
        learn_reranker(index, [tmp_path / "question.jsonl"])
    assert len(ROWS) == len(index)


@pytest.mark.models
def test_the_command_learns_from_every_file_it_is_given(sample_index: HybridIndex, tmp_path: Path) -> None:
    lines = (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    halves = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for half, text in zip(halves, (lines[::2], lines[1::2]), strict=True):
        half.write_text("".join(text), encoding="utf-8")

    def learned_from(*files: Path) -> int:
        given = [text for file in files for text in ("--questions", str(file))]
        out = tmp_path / "weights.json"
        assert main(["reranker", "--index", str(sample_index.folder), *given, "--out", str(out)]) == 0
        return int(Reranker.open(out).facts["questions"])

    assert learned_from(*halves) == learned_from(SAMPLE / "questions.jsonl") > learned_from(halves[1])


def test_the_command_tells_a_missing_file_in_one_sentence(
    index: HybridIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reranker", "--index", str(tmp_path / "indx"), "--questions", "q", "--out", str(tmp_path / "o.json")]
    assert main(arguments) == 1
    assert "did you mean" in capsys.readouterr().err
