from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finetune import encoder as tuning
from finetune.cli import main
from finetune.encoder import keep_share, tune_encoder
from finetune.encoder_cli import add_parsers
from finetune.encoder_config import EncoderConfig
from finetune.mining import Example, Fold, mine_examples
from retrieval import console
from retrieval.build import build_index
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.errors import EncoderMismatch, ModelNotFound, UsageError
from retrieval.index import HybridIndex
from retrieval.models import BASE_ENCODER
from retrieval.question_file import FINDABLE, Question, read_questions, write_questions
from tests.conftest import ROWS, SAMPLE, WriteCatalogue
from tests.fakes import KeywordEncoder

pytestmark = pytest.mark.usefixtures("by_pytorch")
QUESTIONS = [
    Question("a blue mug for the dishwasher", "identify", ("MUG1",)),
    Question("How heavy is the two person tent?", "fact", ("TENT1",)),
    Question("which bulb does the desk lamp take", "fact", ("LAMP1",)),
    Question("who drew the lighthouse cat", "unanswerable", ("BOOK2",)),
    Question("harbour mug", "ambiguous", ("MUG1", "MUG2")),
    Question("a kettle", "absent"),
    Question("a product that is not in this index", "identify", ("GONE",)),
]
TINY = EncoderConfig(rank=4, alpha=8, max_steps=2, batch_size=4, learning_rate=5e-3, warmup_steps=0, passage_tokens=48)


@pytest.fixture
def plain(index: HybridIndex) -> HybridIndex:
    return HybridIndex.open(index.folder, encoder=KeywordEncoder(), rerank="none")


@pytest.fixture(scope="module")
def sample(sample_index: HybridIndex) -> HybridIndex:
    return HybridIndex.open(sample_index.folder, rerank="none")


@pytest.fixture(scope="module")
def tuned(sample: HybridIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "encoder"
    tune_encoder(sample, [SAMPLE / "questions.jsonl"], out, TINY)
    return out


def mine(index: HybridIndex, questions: list[Question], **options: object) -> list[Example]:
    return mine_examples(index, questions, **{"lookalikes": 1, "depth": 5, "seed": 0} | options)


def test_examples_hold_what_search_and_index_encode(plain: HybridIndex) -> None:
    examples = {example.question: example for example in mine(plain, QUESTIONS)}
    assert set(examples) == {question.question for question in QUESTIONS[:4]}
    tent = next(row for row in ROWS if row["uid"] == "TENT1")
    assert examples["How heavy is the two person tent?"].passage == f"{tent['title']}. {tent['content']}"


def test_a_portuguese_question_is_learned_from_as_it_is_searched_with(plain: HybridIndex) -> None:
    question = "qual é a caneca azul que vocês têm?"
    (example,) = mine(plain, [Question(question, "identify", ("MUG1",), lang="pt")])
    assert example.question == plain.query(question).english != question


def test_a_right_product_is_never_a_lookalike(
    tmp_path: Path, write_catalogue: WriteCatalogue, plain: HybridIndex
) -> None:
    rows = [
        {"uid": "A", "title": "Oak Chair", "content": "A chair of oak with arms."},
        {"uid": "TWIN", "title": "Oak Chair", "content": "A chair of oak with arms."},
        {"uid": "SAME-TITLE", "title": "oak chair", "content": "Solid oak chair, sold in pairs."},
        {"uid": "SAME-CONTENT", "title": "Chair, Oak, Set", "content": "A chair of oak with arms."},
        {"uid": "ALSO", "title": "Oak Armchair", "content": "An oak chair, also right."},
        {"uid": "B", "title": "Beech Chair", "content": "A chair of beech with arms."},
        {"uid": "C", "title": "Oak Table", "content": "A table of oak."},
    ]
    index = build_index([write_catalogue(rows, "chairs.json")], tmp_path / "chairs", encoder=KeywordEncoder())
    asked = [Question("an oak chair with arms", "identify", ("TWIN", "ALSO"))]
    (example,) = mine(index, asked, lookalikes=2, depth=10)
    assert set(example.lookalikes) == {"Beech Chair. A chair of beech with arms.", "Oak Table. A table of oak."}
    with pytest.raises(UsageError, match="None of 1 questions can be learned from"):
        mine(index, asked, lookalikes=3, depth=10)


def test_folds_part_the_questions_and_a_product_stays_in_one(plain: HybridIndex) -> None:
    everything = {example.question for example in mine(plain, QUESTIONS)}
    products = list(plain.catalogue)
    for product in products:
        assert sum(Fold(number, 3).holds(product) for number in (1, 2, 3)) == 1
    left_out = []
    for number in (1, 2, 3):
        kept = {example.question for example in mine(plain, QUESTIONS, leave_out=Fold(number, 3))}
        left_out += sorted(everything - kept)
    assert sorted(left_out) == sorted(everything)
    assert len({next(n for n in (1, 2, 3) if Fold(n, 3).holds(product)) for product in products}) > 1


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/1", "1", "a/b", "-1/5", ""])
def test_a_fold_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give one such as 1/5"):
        Fold.parse(text)


@pytest.mark.models
def test_no_lookalike_of_the_sample_is_right(sample: HybridIndex) -> None:
    questions = read_questions(SAMPLE / "questions.jsonl")
    right = {sample.query(q.question).english: q.uids for q in questions if q.kind in FINDABLE}
    examples = mine(sample, questions, lookalikes=4, depth=30)
    titles = {product.title: product for product in sample.catalogue}
    for example in examples:
        found = [titles[title] for text in example.lookalikes for title in titles if text.startswith(f"{title}. ")]
        assert len(found) >= 4
        assert not any(product.is_any_of(right[example.question]) for product in found)


@pytest.mark.models
def test_a_tuned_encoder_is_small_says_how_it_came_about_and_encodes_otherwise(tuned: Path) -> None:
    assert {path.name for path in tuned.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "loss.png",
        "run.json",
    }
    assert sum(path.stat().st_size for path in tuned.iterdir()) < 1_000_000
    run = json.loads((tuned / "run.json").read_text())
    assert run["config"]["rank"] == 4
    findable = [q for q in read_questions(SAMPLE / "questions.jsonl") if q.kind in FINDABLE]
    assert run["questions"]["learned_from"] == len(findable)
    assert [step for step, _ in run["loss"]] == [2]
    assert json.loads((tuned / "adapter_config.json").read_text())["base_model_name_or_path"] == run["base"]["id"]
    texts = ["a blue mug", "tent for two"]
    cosines = (SentenceTransformerEncoder(BASE_ENCODER).encode_queries(texts) * encoded(tuned, texts)).sum(axis=1)
    assert (cosines < 0.9999).all()
    assert (cosines > 0.5).all()


@pytest.mark.models
def test_the_same_seed_learns_the_same_and_another_does_not(sample: HybridIndex, tuned: Path, tmp_path: Path) -> None:
    asked = [SAMPLE / "questions.jsonl"]
    tune_encoder(sample, asked, tmp_path / "again", TINY)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tuned / name).read_bytes()
    tune_encoder(sample, asked, tmp_path / "other", replace(TINY, seed=1))
    weights = (tmp_path / "other" / "adapter_model.safetensors").read_bytes()
    assert weights != (tuned / "adapter_model.safetensors").read_bytes()


@pytest.mark.models
def test_a_smaller_share_stays_nearer_to_the_base(tuned: Path, tmp_path: Path) -> None:
    keep_share(tuned, tmp_path / "half", 0.5)
    texts = ["a blue mug", "tent for two"]
    base, half, whole = (
        SentenceTransformerEncoder(BASE_ENCODER).encode_queries(texts),
        encoded(tmp_path / "half", texts),
        encoded(tuned, texts),
    )
    assert ((base * half).sum(axis=1) > (base * whole).sum(axis=1)).all()
    assert json.loads((tmp_path / "half" / "run.json").read_text())["config"]["merge_share"] == 0.5
    with pytest.raises(EncoderMismatch):
        SentenceTransformerEncoder(str(tmp_path / "half")).identity.check_same(
            SentenceTransformerEncoder(str(tuned)).identity
        )
    with pytest.raises(UsageError, match="half is there already"):
        keep_share(tuned, tmp_path / "half", 0.5)
    with pytest.raises(UsageError, match="merge_share is 2"):
        keep_share(tuned, tmp_path / "double", 2)
    with pytest.raises(ModelNotFound, match=r"No tuned encoder at .*encodr \(did you mean .*encoder\?\)"):
        keep_share(tuned.parent / "encodr", tmp_path / "new", 0.5)


@pytest.mark.models
def test_the_command_prints_what_an_encoder_with_a_smaller_share_says_of_itself(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "half"
    assert main(["encoder-share", str(tuned), "--share", "0.5", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "run.json").read_text())
    assert told["config"]["merge_share"] == 0.5


@pytest.mark.models
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_cut_off_leaves_nothing(
    sample: HybridIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def cut_off(*_: object) -> None:
        raise error

    monkeypatch.setattr(tuning, "settle_adapter", cut_off)
    with pytest.raises(error):
        tune_encoder(sample, [SAMPLE / "questions.jsonl"], tmp_path / "encoder", TINY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.models
def test_too_few_products_for_a_batch_is_told(plain: HybridIndex, tmp_path: Path) -> None:
    write_questions(tmp_path / "questions.jsonl", QUESTIONS)
    config = replace(TINY, batch_size=5)
    with pytest.raises(UsageError, match="batch_size is 5, but the 4 questions do not give that many"):
        tune_encoder(plain, [tmp_path / "questions.jsonl"], tmp_path / "encoder", config)
    assert [path.name for path in tmp_path.iterdir() if "encoder" in path.name] == []


def test_the_command_tells_wrong_use_in_one_sentence(
    plain: HybridIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text("rnk = 4")
    arguments = ["encoder", "--config", str(config), "--index", str(plain.folder), "--questions", "q", "--out", "o"]
    parser = argparse.ArgumentParser(prog="python -m finetune")
    add_parsers(parser.add_subparsers(required=True))
    assert console.run(parser, arguments) == console.WRONG_USE
    assert "unknown key rnk (did you mean rank?)" in capsys.readouterr().err
    config.write_text("rank = 4")
    assert console.run(parser, [*arguments, "--leave-out", "7/5"]) == console.WRONG_USE
    assert "Fold 7/5 does not exist" in capsys.readouterr().err


def encoded(folder: Path, texts: list[str]) -> np.ndarray:
    return SentenceTransformerEncoder(str(folder)).encode_queries(texts)
