from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.batches import batches_by_length
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.models import BASE_ENCODER, resolve_model
from retrieval.static import WordTokenizer
from tests.conftest import require_models


@settings(database=None)
@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_batches_hold_every_text_once_and_no_more_tokens_than_fit(lengths: list[int], at_once: int) -> None:
    batches = list(batches_by_length(lengths, at_once))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[n] for n in batch) <= at_once for batch in batches)
    in_turn = [lengths[number] for batch in batches for number in batch]
    assert in_turn == sorted(in_turn)


@pytest.mark.models
def test_passages_in_batches_have_the_vectors_that_sentence_transformers_give_one_by_one() -> None:
    require_models()
    from sentence_transformers import SentenceTransformer

    texts = ["mug", "a tent for two", "mug", "word " * 400, "", *(f"product number {n} " * (n % 7) for n in range(60))]
    encoder = SentenceTransformerEncoder(BASE_ENCODER)
    found = encoder.encode_passages(texts)
    model = SentenceTransformer(str(resolve_model(BASE_ENCODER)))
    expected = np.array([model.encode(text, normalize_embeddings=True) for text in texts])
    assert found.dtype == np.float32
    assert (found * expected).sum(axis=1) == pytest.approx(1, abs=2e-3)  # bfloat16, on some processors
    assert np.array_equal(found[0], found[2])
    assert encoder.encode_passages([]).shape == (0, 384)


@pytest.fixture(scope="module")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Static embeddings of random weights, with the base encoder's tokenizer."""
    require_models()
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(resolve_model(BASE_ENCODER) / "tokenizer.json"))
    weights = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32)
    folder = tmp_path_factory.mktemp("static") / "model"
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, weights)], device="cpu").save(str(folder))
    return folder


@pytest.mark.models
def test_static_passages_have_the_vectors_that_sentence_transformers_give(static_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [
        "Mug, blue (300 ml)",
        "",
        "don't",
        "Crème-brûlée SET!",
        "日本語 mug",
        "mug mug",
        "a\u00adb x\u200by",
        "word " * 400,
    ]
    encoder = SentenceTransformerEncoder(str(static_model))
    expected = SentenceTransformer(str(static_model)).encode(texts, normalize_embeddings=True)
    for _ in range(2):  # the second time all words are known
        assert encoder.encode_passages(texts) == pytest.approx(expected, abs=1e-5)
    assert encoder.encode_queries(texts) == pytest.approx(expected, abs=1e-5)
    assert encoder.encode_passages([]).shape == (0, 8)


@pytest.mark.models
def test_words_have_the_tokens_that_a_whole_text_has() -> None:
    require_models()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(resolve_model(BASE_ENCODER) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    by_words = WordTokenizer(tokenizer)

    @settings(deadline=None, database=None, max_examples=300)
    @given(
        st.lists(
            st.lists(st.one_of(st.sampled_from(["é", "e\u0301", "a b", "don't", "日本"]), st.characters())).map("".join)
        )
    )
    def check(texts: list[str]) -> None:
        texts = [" ".join(text.split()) for text in texts if text.isprintable()]
        ids, starts = by_words(texts)
        expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        assert [each.tolist() for each in np.split(ids, starts[1:])][: len(texts)] == expected

    check()
