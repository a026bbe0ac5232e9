from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.averaging import average_rankers
from finetune.evidence import mine_listings, tune_evidence_ranker
from finetune.evidence_config import EvidenceConfig
from finetune.mining import Fold
from retrieval.errors import EncoderMismatch, ModelNotFound, UsageError
from retrieval.evidence import NOTHING, CrossEncoderRanker, candidate, shares_of_evidence
from retrieval.index import HybridIndex
from retrieval.question_file import Question
from tests.conftest import SAMPLE

pytestmark = pytest.mark.usefixtures("by_pytorch")
WEIGHT = Question("how heavy is the ridge two tent?", "fact", ("TENT1",), "2.4 kg.", "Weighs 2.4 kg.")
AUTHOR = Question("who is the author of the lighthouse cat", "unanswerable", ("BOOK2",))
ABSENT = Question("a kettle, is it dishwasher safe", "absent")
TINY = EvidenceConfig(rank=4, alpha=8, max_steps=2, batch_size=4, own_candidates=2, other_candidates=1, max_tokens=64)


@pytest.fixture(scope="module")
def tuned(sample_index: HybridIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "evidence"
    tune_evidence_ranker(sample_index, [SAMPLE / "questions.jsonl"], out, TINY)
    return out


@pytest.mark.parametrize(
    ("evidence", "shares"),
    [
        ("red and blue", [1.0, 0.0, 0.0]),
        ("RED  and blue.", [1.0, 0.0, 0.0]),
        ("Weighs 2.4 kg with its four pegs", [0.0, 1.0, 0.0]),
        ("made", [0.0, 0.0, 0.0]),
        ("", [0.0, 0.0, 0.0]),
    ],
)
def test_evidence_is_where_most_of_its_terms_stand(evidence: str, shares: list[float]) -> None:
    assert shares_of_evidence(evidence, ["Comes in red and blue.", "Weighs 2.4 kg with pegs.", "It is new."]) == shares


def test_equal_holders_share() -> None:
    assert shares_of_evidence("red", ["red mug", "blue", "a red one"]) == [0.5, 0.0, 0.5]


def test_what_answers_is_set_among_what_does_not(index: HybridIndex) -> None:
    gone = Question("what is it", "fact", ("GONE",), "", "new")
    unfound = replace(WEIGHT, evidence="twelve kilos of lead")
    answered, unsaid, absent = mine_listings(index, [WEIGHT, AUTHOR, ABSENT, gone, unfound], TINY)
    title = "Ridge Two Tent"
    assert answered.texts[:2] == (candidate(title, NOTHING), candidate(title, "Weighs 2.4 kg."))
    assert answered.shares == (0.0, 1.0, *[0.0] * (len(answered.texts) - 2))
    assert len(answered.texts) == 2 + TINY.own_candidates + TINY.other_candidates
    assert not answered.texts[-1].startswith(title)
    for listing in (unsaid, absent):
        assert listing.texts[0].endswith(NOTHING)
        assert listing.shares[0] == sum(listing.shares) == 1.0
    fold = next(Fold(n, 2) for n in (1, 2) if Fold(n, 2).holds(index.product("TENT1")))
    assert answered not in mine_listings(index, [WEIGHT, AUTHOR, ABSENT], TINY, leave_out=fold)


def test_which_product_it_is_is_told_from_several_others(index: HybridIndex) -> None:
    which = replace(WEIGHT, question="a light tent for two, which one?", kind="identify")
    (listing,) = mine_listings(index, [which], replace(TINY, own_candidates=4))
    foreign = {text.split(":")[0] for text in listing.texts if not text.startswith("Ridge Two Tent")}
    assert len(foreign) > 1
    assert len(listing.texts) == 2 + TINY.other_candidates + 4


def test_questions_that_nothing_can_be_learned_from_are_an_error(index: HybridIndex) -> None:
    gone = [replace(WEIGHT, uids=("GONE",)), replace(AUTHOR, uids=("GONE",))]
    with pytest.raises(UsageError, match="None of 2 questions can be learned from"):
        mine_listings(index, gone, TINY)


def test_a_title_that_answers_is_read_alone() -> None:
    assert candidate("Ridge Tent (Green)", "Ridge Tent (Green)") == "Ridge Tent (Green)"
    assert candidate("T" * 100, "It is green.") == f"{'T' * 80}: It is green."


@pytest.mark.models
def test_what_was_tuned_can_be_opened_and_scores_alike(tuned: Path, sample_index: HybridIndex, tmp_path: Path) -> None:
    run = json.loads((tuned / "run.json").read_text())
    assert run["questions"]["learned_from"] > 4
    pairs = [("how heavy?", "Tent: It weighs 2 kg."), ("how heavy?", f"Tent: {NOTHING}")]
    scores = CrossEncoderRanker(tuned).score(pairs)
    assert scores.shape == (2,)
    assert scores[0] != scores[1]
    assert CrossEncoderRanker(tuned).score([]).shape == (0,)
    again = tmp_path / "again"
    tune_evidence_ranker(sample_index, [SAMPLE / "questions.jsonl"], again, TINY)
    assert CrossEncoderRanker(again).score(pairs) == pytest.approx(scores, abs=1e-4)
    other = tmp_path / "other"
    tune_evidence_ranker(sample_index, [SAMPLE / "questions.jsonl"], other, replace(TINY, seed=1))
    assert CrossEncoderRanker(other).score(pairs) != pytest.approx(scores, abs=1e-4)


@pytest.mark.models
def test_what_cannot_be_used_is_refused(tuned: Path, sample_index: HybridIndex, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        tune_evidence_ranker(sample_index, [SAMPLE / "questions.jsonl"], tuned, TINY)
    with pytest.raises(ModelNotFound, match="No evidence ranker at"):
        CrossEncoderRanker(tmp_path)
    torn = tmp_path / "torn"
    torn.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (torn / name).write_bytes((tuned / name).read_bytes())
    with pytest.raises(ModelNotFound, match="not a whole product-qa-evidence"):
        CrossEncoderRanker(torn)
    run = json.loads((tuned / "run.json").read_text())
    run["base"]["weights_sha256"] = "0" * 64
    (torn / "run.json").write_text(json.dumps(run))
    with pytest.raises(EncoderMismatch, match="tuned on other weights"):
        CrossEncoderRanker(torn)


@pytest.mark.models
def test_the_mean_has_the_mean_of_the_weights(tuned: Path, sample_index: HybridIndex, tmp_path: Path) -> None:
    shorter = tmp_path / "shorter"
    tune_evidence_ranker(sample_index, [SAMPLE / "questions.jsonl"], shorter, replace(TINY, rank=2, max_steps=1))
    run = average_rankers([tuned, shorter], tmp_path / "mean")
    assert [each["config"]["max_steps"] for each in run["mean_of"]] == [2, 1]
    mean, one, other = (
        CrossEncoderRanker(folder)._load().state_dict() for folder in (tmp_path / "mean", tuned, shorter)
    )
    assert any(not one[name].equal(other[name]) for name in mean)
    for name, weight in mean.items():
        assert weight.allclose((one[name] + other[name]) / 2, atol=1e-6), name


@pytest.mark.models
def test_what_has_no_mean_is_refused(tuned: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    shutil.copytree(tuned, stranger)
    run = json.loads((tuned / "run.json").read_text())
    run["config"]["seed"] = 1
    (stranger / "run.json").write_text(json.dumps(run))
    for few in ([tuned], [tuned, stranger]):
        with pytest.raises(UsageError, match="two or more evidence rankers that were tuned from one base"):
            average_rankers(few, tmp_path / "mean")
    with pytest.raises(ModelNotFound, match="No evidence ranker at"):
        average_rankers([tuned, tmp_path], tmp_path / "mean")
    with pytest.raises(UsageError, match="is there already"):
        average_rankers([tuned, tuned], tuned)
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"other_candidates": -1}, "other_candidates is -1"),
        ({"warmup_steps": 300}, "warmup_steps is 300"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EvidenceConfig(**values)
