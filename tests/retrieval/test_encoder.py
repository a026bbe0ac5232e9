from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.encoder import SentenceTransformerEncoder, batches_by_length
from retrieval.models import BASE_ENCODER, resolve_model
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
