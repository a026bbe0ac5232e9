from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from qa.generators.copying import AS_WELL, CopyGrammar
from retrieval.models import DEFAULT_LANGUAGE_MODEL, resolve_model
from retrieval.prompt import Shown
from retrieval.schema import Product
from tests.conftest import require_models

pytestmark = pytest.mark.models
BOX = Product("BOX1", "Tin Box", "Holds 40 pins. Holds 40 pins of brass.")
PEN = Product("PEN1", "Reed Pen", "Writes in sepia.")
NEAR, FAR = -AS_WELL / 2, -2 * AS_WELL
CONTEXT = (
    Shown(BOX, ("Holds 40 pins.", "Holds 40 pins of brass.", "It is new."), (FAR, 0.0, NEAR, FAR), 0.0),
    Shown(PEN, ("Writes in sepia.",), (FAR, NEAR), 0.0),
)


@pytest.fixture(scope="module")
def tokenizer():
    require_models()
    return AutoTokenizer.from_pretrained(resolve_model(DEFAULT_LANGUAGE_MODEL))


def accepts(tokenizer, completion: str, numbers: tuple[int, ...] = (1, 2)) -> bool:
    grammar = CopyGrammar(tokenizer, CONTEXT, numbers)
    ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
    for step, token in enumerate(ids):
        allowed = grammar.allowed(ids[:step])
        if allowed == [grammar.end]:
            return grammar.complete(ids[:step]) == completion
        if token not in allowed:
            return False
    return grammar.end in grammar.allowed(ids) and grammar.complete(ids) == completion


@pytest.mark.parametrize(
    "completion",
    [
        "[1] Holds 40 pins.",
        "[1] Holds 40 pins of brass.",
        "[1]: Holds 40 pins of brass.",
        "[2] Writes in sepia.",
        "[2]: Writes in sepia.",
    ],
)
def test_the_spans_that_answer_best_can_be_said(tokenizer, completion: str) -> None:
    assert accepts(tokenizer, completion)


@pytest.mark.parametrize(
    "completion",
    ["[1] Holds 41 pins.", "[1] It is new.", "[1] Tin Box", "[1] Writes in sepia.", "[3] Holds", "Holds", "[1] Holds"],
)
def test_nothing_else_can_be_said(tokenizer, completion: str) -> None:
    assert not accepts(tokenizer, completion)


def test_a_product_that_does_not_fit_cannot_be_answered_from(tokenizer) -> None:
    assert not accepts(tokenizer, "[2] Writes in sepia.", numbers=(1,))


def test_what_is_settled_is_not_written_to_its_end(tokenizer) -> None:
    grammar = CopyGrammar(tokenizer, CONTEXT, (1, 2))
    ids = tokenizer("[2] Writes", add_special_tokens=False)["input_ids"]
    assert grammar.allowed(ids) == [grammar.end]
    assert grammar.complete([*ids, grammar.end]) == "[2] Writes in sepia."
    between = tokenizer("[1] Holds 40 pins", add_special_tokens=False)["input_ids"]
    assert len(grammar.allowed(between)) > 1
    assert grammar.complete(between) == "[1] Holds 40 pins."
    assert grammar.complete(tokenizer("[9]", add_special_tokens=False)["input_ids"]) == ""
