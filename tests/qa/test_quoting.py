from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from qa.generators.quoting import IDENTIFIES_FROM, probability_of_identifying, quote
from qa.generators.reading import NetworkReader, Read
from qa.generators.torch_network import TorchNetwork
from retrieval.context import ALMOST_AS_WELL
from retrieval.prompt import build_messages, encode_messages, encode_text
from retrieval.schema import Product
from tests.fakes import shown

pytestmark = pytest.mark.models
BOX = Product("BOX1", "Tin Box", "Holds 40 pins, of brass. It is new.")
PEN = Product("PEN1", "Reed Pen", "Writes in sepia.")
CONTEXT = (shown(BOX, "Holds 40 pins, of brass.", "It is new."), shown(PEN, "Writes in sepia."))
ANSWERS, IDENTIFIES = "[1] Holds", "[1]: Holds"


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Path):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture(scope="module")
def model(tiny_llama: Path):
    return AutoModelForCausalLM.from_pretrained(tiny_llama).eval()


class Certain:
    """A reader that wants to say one completion: each of its tokens is far more probable than any other."""

    def __init__(self, tokenizer, completion: str) -> None:
        self.wanted = encode_text(tokenizer, completion)
        self.size = len(tokenizer)
        self.prompts: list[list[int]] = []

    def read(self, ids, continuations=(), after=None):
        self.prompts.append(list(ids))
        return Read(None, 0, None), [self.table(list(ids)) for ids in continuations]

    def table(self, ids: list[int]):
        table = torch.zeros(len(ids) + 1, self.size)
        for place in range(len(ids) + 1):
            if ids[:place] == self.wanted[:place] and place < len(self.wanted):
                table[place, self.wanted[place]] = 20.0
        return table.log_softmax(dim=-1).numpy()


@pytest.mark.parametrize(("wish", "form"), [(ANSWERS, "[1] "), (IDENTIFIES, "[1]: ")])
def test_the_model_decides_the_form_and_reads_the_prompt_once(tokenizer, wish: str, form: str) -> None:
    reader = Certain(tokenizer, wish)
    assert quote(reader, tokenizer, [1, 2, 3], CONTEXT[1:]) == f"{form}Writes in sepia."
    assert reader.prompts == [[1, 2, 3]]


@pytest.mark.parametrize("wish", ["[2] Writes in sepia.", "[1] Holds 41 pins", "Not in the description."])
def test_what_the_search_and_the_ranker_put_first_is_said_whatever_a_model_wants(tokenizer, wish: str) -> None:
    context = (CONTEXT[0]._replace(odds=(9.0, 1.0, -9.0)), CONTEXT[1]._replace(odds=(9.0, 5.0)))
    assert quote(Certain(tokenizer, wish), tokenizer, [1], context).removeprefix("[1]").lstrip(": ") == BOX.content[:24]


def test_a_span_that_answers_almost_as_well_is_said_too(tokenizer) -> None:
    near, far = (CONTEXT[0]._replace(odds=(0.0, 1.0, 1.0 - ALMOST_AS_WELL * by)) for by in (0.9, 1.1))
    said = [quote(Certain(tokenizer, ANSWERS), tokenizer, [1], (context,)) for context in (near, far)]
    assert said == ["[1] Holds 40 pins, of brass. … It is new.", "[1] Holds 40 pins, of brass."]


def test_two_spans_have_forty_words_at_most(tokenizer) -> None:
    long = shown(Product("LONG1", "Ledger", f"{'word ' * 38}end. It is new."), f"{'word ' * 38}end.", "It is new.")
    assert "new" not in quote(Certain(tokenizer, ANSWERS), tokenizer, [1], (long,))


def test_the_probability_is_that_of_the_two_forms_among_themselves(model, tokenizer) -> None:
    prompt = encode_messages(tokenizer, build_messages("how many pins?", CONTEXT))
    weights = {}
    for form in ("[1]", "[1]:"):
        ids = encode_text(tokenizer, form)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        weights[form] = float(logits.float().log_softmax(dim=-1)[range(len(ids)), ids].sum().exp())
    probability = probability_of_identifying(NetworkReader(TorchNetwork(model)), tokenizer, prompt)
    assert probability == pytest.approx(weights["[1]:"] / sum(weights.values()), rel=1e-4)
    assert 0 < IDENTIFIES_FROM < 1
