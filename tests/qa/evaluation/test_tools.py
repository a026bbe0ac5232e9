from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from qa.evaluation.tools import CausalPerplexity, ModelTools, TransformerTokens
from retrieval.models import BASE_ENCODER
from retrieval.question_file import Question
from tests.conftest import require_models
from tests.fakes import KeywordEncoder
from tests.qa.evaluation.runs import FakeModels

TEXTS = ["It weighs 2.4 kg.", "Yes.", "A cat keeps the lamp burning, for ages 3 to 6."]


@pytest.mark.models
def test_perplexity_is_that_of_transformers_own_loss_whatever_stands_beside_the_text(tiny_llama: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()
    measured = CausalPerplexity(str(tiny_llama)).measure(TEXTS)
    for text, (perplexity, count) in zip(TEXTS, measured, strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        whole = torch.tensor([[tokenizer.bos_token_id, *ids]])
        with torch.inference_mode():
            loss = model(input_ids=whole, labels=whole).loss.item()
        assert count == len(ids)
        assert perplexity == pytest.approx(math.exp(loss), rel=1e-3)


@pytest.mark.models
def test_token_vectors_are_of_length_one_and_do_not_depend_on_padding() -> None:
    require_models()
    tokens = TransformerTokens(BASE_ENCODER)
    together = tokens.embed(TEXTS)
    for text, (vectors, weights) in zip(TEXTS, together, strict=True):
        ((alone, own_weights),) = tokens.embed([text])
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
        assert vectors == pytest.approx(alone, abs=1e-4)
        assert weights.tolist() == own_weights.tolist() == [0.0, *[1.0] * (len(weights) - 2), 0.0]


def test_each_text_is_computed_once_for_all_arms_and_progress_is_told() -> None:
    class Counting(FakeModels):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def measure(self, texts: list[str]) -> list[tuple[float, int]]:
            self.seen.extend(texts)
            return super().measure(texts)

    told = []
    models = Counting()
    tools = ModelTools(KeywordEncoder(), models, models)
    tools.prepare(
        ["two people", "two people", "", "yes"],
        [Question("how many people?", "fact", ("T",), "two people")],
        lambda *step: told.append(step),
    )
    assert sorted(models.seen) == ["two people", "yes"]
    assert tools.cosine("two people", "two people") == pytest.approx(1.0)
    assert tools.token_match("two people", "two people") == pytest.approx((1.0, 1.0, 1.0))
    assert (tools.perplexity("yes"), tools.count_tokens("two people"), tools.count_tokens("")) == (13.0, 2, 0)
    assert told == [("encode", 3, 3), ("match", 2, 2), ("read", 2, 2)]
