from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.base_model import BaseModel
from finetune.masks import IGNORED, Row, encode_row, read_examples, read_rows, spread
from retrieval.errors import UsageError
from retrieval.models import DEFAULT_LANGUAGE_MODEL
from retrieval.prompt import TEMPLATE_DATE, encode_messages
from tests.conftest import require_models
from tests.finetune.tiny_llama import tiny_tokenizer

PROMPT = ({"role": "system", "content": "Be short."}, {"role": "user", "content": "How much does the mug hold?"})
ROW = Row("rows:1", PROMPT, "It holds 300 ml.")


@pytest.fixture(params=["llama-3.2", pytest.param("smollm2", marks=pytest.mark.models)])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    if request.param == "llama-3.2":
        return tiny_tokenizer()
    require_models()
    return BaseModel.find(DEFAULT_LANGUAGE_MODEL).tokenizer()


def test_the_loss_sees_the_completion_and_its_end(tokenizer: Any) -> None:
    example = encode_row(tokenizer, ROW)
    labels = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(labels) == ROW.completion + tokenizer.eos_token
    assert example.labels == [IGNORED] * len(example.prompt_ids) + labels
    assert example.input_ids[-len(labels) :] == labels
    assert example.loss_tokens == len(labels)


def test_the_prompt_is_the_one_that_answering_makes(tokenizer: Any) -> None:
    assert encode_row(tokenizer, ROW).prompt_ids == encode_messages(tokenizer, PROMPT)


def test_prompt_and_completion_are_what_the_chat_template_renders(tokenizer: Any) -> None:
    example = encode_row(tokenizer, ROW)
    messages = [*PROMPT, {"role": "assistant", "content": ROW.completion}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, date_string=TEMPLATE_DATE)
    assert tokenizer.decode(example.input_ids) == rendered.removesuffix("\n")


def test_special_tokens_inside_a_completion_are_plain_text(tokenizer: Any) -> None:
    end = tokenizer.eos_token
    example = encode_row(tokenizer, Row("rows:1", PROMPT, f"It says {end} on the lid."))
    assert [position for position, label in enumerate(example.labels) if label == tokenizer.eos_token_id] == [
        len(example) - 1
    ]


def test_every_form_of_a_row_gives_the_same_example(tmp_path: Path) -> None:
    prompt, completion = list(PROMPT), ROW.completion
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    turns = [*prompt, {"role": "assistant", "content": completion}]
    path = tmp_path / "train.jsonl"
    forms = [
        {"prompt": prompt, "completion": completion},
        {"messages": turns},
        {"conversations": [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]},
    ]
    path.write_text("".join(json.dumps(form) + "\n" for form in forms), encoding="utf-8")
    train, held_out = read_examples(tiny_tokenizer(), tmp_path)
    assert [example.input_ids for example in train] == [encode_row(tiny_tokenizer(), ROW).input_ids] * 3
    assert [example.row.place for example in train] == ["train.jsonl:1", "train.jsonl:2", "train.jsonl:3"]
    assert held_out == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("no json", r"train.jsonl:1: not a row"),
        ("[" * 100_000, r"train.jsonl:1: not a row"),
        ('{"text": "a"}', r"needs prompt and completion, or messages, or conversations"),
        ('{"messages": [{"role": "user", "content": "a"}]}', r"the last turn is not the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', r"something must come before it"),
        ('{"conversations": [{"from": "robot", "value": "a"}]}', r"not a row"),
        ('{"prompt": [{"role": "user", "content": "a"}], "completion": 3}', r"the completion must be a text"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        read_rows(path)


def test_rows_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(UsageError, match=r"train\.jsonl is not UTF-8: byte 12 cannot be read"):
        read_rows(tmp_path / "train.jsonl")


def test_a_wrong_path_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(UsageError, match=r"did you mean .*train.jsonl"):
        read_rows(tmp_path / "trian.jsonl")


def test_spread_takes_at_even_distances() -> None:
    examples: list[Any] = list(range(10))
    assert spread(examples, 3) == [0, 3, 6]
    assert spread(examples, 0) == spread(examples, 10) == spread(examples, 99) == examples
