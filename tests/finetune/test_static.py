from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.static import WEIGHTS, StaticConfig, description_pairs, make_static, question_pairs
from retrieval.build import build_index
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.models import BASE_ENCODER, RUN_FILE
from retrieval.question_file import Question, write_questions
from tests.conftest import ROWS, WriteCatalogue, require_models
from tests.fakes import KeywordEncoder


@pytest.fixture
def plain(index: HybridIndex) -> HybridIndex:
    return HybridIndex.open(index.folder, encoder=KeywordEncoder(), rerank="none")


def test_pairs_are_of_the_words_of_a_product_and_its_passage(plain: HybridIndex) -> None:
    pairs = description_pairs(plain, seed=0)
    assert len(pairs) == 2 * len(ROWS) - 1  # one content draws no sentence that is long enough
    for text, passage in pairs:
        title = passage.partition(". ")[0]
        assert text in passage or set(text.split()) < set(title.split())
    assert description_pairs(plain, seed=0) == pairs != description_pairs(plain, seed=1)


def test_questions_without_a_product_in_the_index_are_left_out(plain: HybridIndex, tmp_path: Path) -> None:
    asked = [
        Question("a mug", "identify", ("GONE", "MUG1")),
        Question("gone", "fact", ("GONE",)),
        Question("?", "absent"),
    ]
    write_questions(tmp_path / "q.jsonl", asked)
    ((question, passage),) = question_pairs(plain, [tmp_path / "q.jsonl"])
    assert question == "a mug"
    assert passage.startswith("Harbour Mug, Blue. A blue mug")


@pytest.mark.parametrize(("name", "value"), [("dimension", 1), ("steps", -1), ("batch_size", 1)])
def test_values_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}; it must be at least"):
        StaticConfig(**{name: value})


@pytest.mark.models
def test_a_static_encoder_is_small_learns_and_builds_an_index(
    plain: HybridIndex, tmp_path: Path, write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_models()
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    rng = np.random.default_rng(0)

    def distilled(teacher: SentenceTransformerEncoder, dimension: int) -> StaticEmbedding:
        tokenizer = teacher.model.tokenizer
        weights = rng.normal(size=(len(tokenizer), dimension)).astype(np.float32)
        return StaticEmbedding(tokenizer, embedding_weights=weights)

    monkeypatch.setattr("finetune.static._distilled", distilled)  # which takes minutes
    out = tmp_path / "static"
    run = make_static(plain, [], BASE_ENCODER, out, StaticConfig(dimension=16, steps=30, batch_size=8))
    assert run["loss"][-1][1] < run["loss"][0][1]
    assert (out / RUN_FILE).is_file()
    encoder = SentenceTransformerEncoder(str(out))
    assert encoder.identity.dimension == 16
    assert (out / WEIGHTS).stat().st_size < 30_600 * (16 + 4) + 1_000
    vectors = encoder.encode_passages(["a blue mug", "tent", "a blue mug"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vectors[0], vectors[2])
    assert vectors == pytest.approx(encoder.encode_queries(["a blue mug", "tent", "a blue mug"]), abs=1e-5)
    index = build_index([write_catalogue(ROWS)], tmp_path / "built", encoder=encoder)
    assert index.search("two tent", 1)[0].product.uid == "TENT1"
    with pytest.raises(UsageError, match="is there already"):
        make_static(plain, [], BASE_ENCODER, out, StaticConfig())
