from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from qa.citations import is_quote
from qa.generators.quoting import AS_WELL, IDENTIFIES_FROM, quote
from qa.generators.reading import NetworkReader, Read
from qa.generators.torch_network import TorchNetwork
from retrieval.prompt import bare_end, build_messages, encode_messages, encode_text, read_completion, write_completion
from retrieval.schema import Product
from tests.fakes import shown

pytestmark = pytest.mark.models
BOX = Product("BOX1", "Tin Box", "Holds 40 pins, of brass. It is new.")
PEN = Product("PEN1", "Reed Pen", "Writes in sepia.")
CONTEXT = (shown(BOX, "Holds 40 pins, of brass.", "It is new."), shown(PEN, "Writes in sepia."))


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Path):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture(scope="module")
def model(tiny_llama: Path):
    return AutoModelForCausalLM.from_pretrained(tiny_llama).eval()


class Certain:
    """A reader that wants to say one completion: each of its tokens is a hundred times as probable as any other."""

    def __init__(self, tokenizer, completion: str) -> None:
        self.wanted = [*encode_text(tokenizer, completion), tokenizer.eos_token_id]
        self.size = len(tokenizer)
        self.read_prompts: list[list[int]] = []

    def read(self, ids, continuations=(), after=None):
        if ids:
            self.read_prompts.append(list(ids))
        return Read(None, 0, None), [self.table(list(ids)) for ids in continuations]

    def table(self, ids: list[int]):
        table = torch.zeros(len(ids) + 1, self.size)
        for place in range(len(ids) + 1):
            if ids[:place] == self.wanted[:place] and place < len(self.wanted):
                table[place, self.wanted[place]] = 20.0
        return table.log_softmax(dim=-1).numpy()


@pytest.mark.parametrize(
    ("completion", "said"),
    [
        ("[1] 40 pins", "[1] Holds 40 pins, of brass."),
        ("[1] Holds 40 pins, of brass", "[1] Holds 40 pins, of brass."),
        ("[1]: Holds 40 pins", "[1]: Holds 40 pins, of brass."),
        ("[1] It is new", "[1] It is new."),
        ("[2] sepia", "[2] Writes in sepia."),
        ("[2]: Writes in sepia", "[2]: Writes in sepia."),
        ("[2] Reed Pen", "[2] Reed Pen"),
    ],
)
def test_the_span_that_a_model_is_sure_of_is_said(tokenizer, completion: str, said: str) -> None:
    reader = Certain(tokenizer, completion)
    assert quote(reader, tokenizer, [1, 2, 3], CONTEXT) == said
    assert reader.read_prompts == [[1, 2, 3]]


def test_spans_that_answer_less_well_are_not_open_to_choice(tokenizer) -> None:
    near, far = -AS_WELL / 2, -AS_WELL * 2
    context = (CONTEXT[0]._replace(odds=(far, near, 0.0)), CONTEXT[1]._replace(odds=(near, far)))
    said = [
        quote(Certain(tokenizer, wish), tokenizer, [1], context) for wish in ("[1] 40 pins", "[2] Reed", "[2] sepia")
    ]
    assert said[:2] == ["[1] Holds 40 pins, of brass.", "[2] Reed Pen"]
    assert "sepia" not in said[2]


@pytest.mark.parametrize("completion", ["[1] Holds 41 pins", "[3] Holds", "sepia", "[2] brass"])
def test_what_is_not_shown_cannot_be_said(tokenizer, completion: str) -> None:
    said = read_completion(quote(Certain(tokenizer, completion), tokenizer, [1], CONTEXT))
    assert said.number in (1, 2)
    assert is_quote(said.said, CONTEXT[said.number - 1].product)


def every_run() -> list[tuple[int, bool, str, int, int]]:
    return [
        (number, identifies, text, start, end)
        for number, shown in enumerate(CONTEXT, start=1)
        for identifies in (False, True)
        for text in (shown.product.title, *shown.spans)
        for start, end in combinations(range(len(text.split()) + 1), 2)
    ]


def test_the_place_is_the_one_that_exhaustive_search_over_whole_completions_finds(model, tokenizer) -> None:
    prompt = encode_messages(tokenizer, build_messages("how many pins?", CONTEXT))
    runs, scores = every_run(), []
    for number, identifies, text, start, end in runs:
        said = write_completion(number, bare_end(" ".join(text.split()[start:end])), identifies=identifies)
        ids = [*encode_text(tokenizer, said), tokenizer.eos_token_id]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        scores.append(float(logits.float().log_softmax(dim=-1)[range(len(ids)), ids].sum()))
    weights = torch.tensor(scores).softmax(dim=0).tolist()

    def gain(one: int) -> float:
        words = 0.0
        for other, weight in enumerate(weights):
            if runs[one][0] == runs[other][0] and runs[one][2] == runs[other][2]:
                (start, end), (first, last) = runs[one][3:], runs[other][3:]
                words += weight * 2 * max(0, min(end, last) - max(start, first)) / (end - start + last - first)
        return words

    best = max(range(len(runs)), key=lambda one: (round(gain(one), 6), scores[one]))
    expected = write_completion(runs[best][0], runs[best][2], identifies=identifying(model, tokenizer, prompt))
    assert quote(NetworkReader(TorchNetwork(model)), tokenizer, prompt, CONTEXT, breadth=1_000) == expected


def identifying(model, tokenizer, prompt: list[int]) -> bool:
    probability = {}
    for form in ("[1]", "[1]:", "[2]", "[2]:"):
        ids = encode_text(tokenizer, form)
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        probability[form] = float(logits.float().log_softmax(dim=-1)[range(len(ids)), ids].sum().exp())
    return (probability["[1]:"] + probability["[2]:"]) / sum(probability.values()) >= IDENTIFIES_FROM
