from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from qa.generators.copying import CopyGrammar
from retrieval.models import DEFAULT_LANGUAGE_MODEL, resolve_model
from retrieval.prompt import NO_PRODUCT, NOT_SAID, Shown, write_completion
from retrieval.schema import Product
from tests.conftest import require_models

pytestmark = pytest.mark.models
BOX = Product("BOX1", "Tin Box, 3.5 x 2 in.", 'Holds 40 pins. The lid (brass) is 1/4" thick; it shuts.')
PEN = Product("PEN1", "Reed Pen", "Writes in sepia.")
CONTEXT = (
    Shown(BOX, ("Holds 40 pins.", 'The lid (brass) is 1/4" thick; it shuts.'), 0.0),
    Shown(PEN, ("Writes in sepia.",), 0.0),
)


@pytest.fixture(scope="module")
def tokenizer():
    require_models()
    return AutoTokenizer.from_pretrained(resolve_model(DEFAULT_LANGUAGE_MODEL))


def accepts(tokenizer, completion: str, numbers: tuple[int, ...] = (1, 2)) -> bool:
    grammar = CopyGrammar(tokenizer, CONTEXT, numbers)
    ids = [*tokenizer(completion, add_special_tokens=False)["input_ids"], grammar.end]
    return all(token in grammar.allowed(ids[:step]) for step, token in enumerate(ids))


@pytest.mark.parametrize(
    "completion",
    [
        "[1] 40 pins",
        "[1] Holds 40 pins.",
        "[1]: Tin Box, 3.5 x 2 in.",
        '[1] 1/4" thick',
        "[1] (brass)",
        "[2] sepia",
        "[2]: Reed Pen",
    ],
)
def test_runs_of_whole_words_can_be_said(tokenizer, completion: str) -> None:
    assert accepts(tokenizer, completion)


@pytest.mark.parametrize(
    "completion",
    [
        "[1] 41 pins",
        "[1] sepia",
        "[2] 40 pins",
        "[3] 40 pins",
        "[1] 1/4",
        "[1] ins.",
        "[1] Holds 40 pins. The lid",
        "[1]",
        "40 pins",
        NO_PRODUCT,
        write_completion(1, NOT_SAID),
        "",
    ],
)
def test_nothing_else_can_be_said(tokenizer, completion: str) -> None:
    assert not accepts(tokenizer, completion)


def test_a_product_that_does_not_fit_cannot_be_answered_from(tokenizer) -> None:
    assert not accepts(tokenizer, "[2] sepia", numbers=(1,))


def test_a_long_answer_ends_with_its_word(tokenizer) -> None:
    grammar = CopyGrammar(tokenizer, CONTEXT, (1, 2))
    ids = tokenizer("[1] Holds 40", add_special_tokens=False)["input_ids"]
    assert grammar.allowed(ids, soon=True) == [grammar.end]
    assert grammar.allowed(ids[:-1], soon=True) == [ids[-1]]


def test_the_tokens_that_decline_are_known(tokenizer) -> None:
    grammar = CopyGrammar(tokenizer, CONTEXT, (1, 2))
    rejected = tokenizer(NO_PRODUCT, add_special_tokens=False)["input_ids"]
    declined = tokenizer(write_completion(2, NOT_SAID), add_special_tokens=False)["input_ids"]
    assert rejected[0] == grammar.rejecting
    assert [step for step in range(len(declined)) if grammar.may_decline(declined[:step])] == [3]
    assert declined[3] == grammar.declining
