"""Training rows as token ids and labels: the loss sees the completion and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import UsageError, nearest_path
from retrieval.files import parse_json, read_text
from retrieval.prompt import Message, encode_messages, encode_text

TRAIN = "train.jsonl"
EVALUATION = "evaluation.jsonl"
ROWS = "rows.json"
"""What ``prepare`` says of the rows."""
IGNORED = -100
_SHAREGPT_ROLES = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt and the completion to learn.

    Attributes:
        place: File and line, for messages to the user.
        prompt: Chat messages.
        completion: What the assistant says next.
        oracle: Whether the prompt holds the product that was asked about; None where the row doesn't tell.
    """

    place: str
    prompt: tuple[Message, ...]
    completion: str
    oracle: bool | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A row as the model sees it.

    Attributes:
        row: What it was made of.
        input_ids: Prompt, completion and the end of the turn.
        labels: As long as ``input_ids``; ``IGNORED`` throughout the prompt.
    """

    row: Row
    input_ids: list[int]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def prompt_ids(self) -> list[int]:
        """The tokens before the first that bears loss."""
        return self.input_ids[: len(self) - self.loss_tokens]

    @property
    def loss_tokens(self) -> int:
        """How many tokens bear loss."""
        return sum(label != IGNORED for label in self.labels)


def read_rows(path: Path) -> list[Row]:
    """Read training rows: JSON lines, each in one of three forms.

    ``{"prompt": [messages], "completion": text}``, or a conversation whose last turn is the assistant's:
    ``{"messages": [{"role", "content"}]}`` or, as ShareGPT has it, ``{"conversations": [{"from", "value"}]}``.

    Raises:
        UsageError: No such file, one that is not UTF-8, or a line in none of these forms.
    """
    if not path.is_file():
        raise UsageError(f"No training rows at {path}{nearest_path(path)}.")
    lines = read_text(path).split("\n")
    return [_row(line, f"{path.name}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def encode_row(tokenizer: Any, row: Row) -> Example:
    """Turn a row into ids and labels; the prompt's ids are those that answering makes of the same messages."""
    prompt = encode_messages(tokenizer, row.prompt)
    completion = encode_text(tokenizer, row.completion)
    completion = [*completion, tokenizer.eos_token_id] if row.completion else []
    return Example(row, prompt + completion, [IGNORED] * len(prompt) + completion)


def read_examples(tokenizer: Any, folder: Path) -> tuple[list[Example], list[Example]]:
    """Return the examples of a folder's ``train.jsonl`` and of its ``evaluation.jsonl``, which may be missing.

    Raises:
        UsageError: No training rows, or a line that is not a row.
    """
    train = [encode_row(tokenizer, row) for row in read_rows(folder / TRAIN)]
    path = folder / EVALUATION
    return train, [encode_row(tokenizer, row) for row in read_rows(path)] if path.exists() else []


def spread(examples: Sequence[Example], count: int) -> list[Example]:
    """Return ``count`` examples taken at even distances, or all of them where ``count`` is 0 or too large."""
    if not 0 < count < len(examples):
        return list(examples)
    return [examples[position * len(examples) // count] for position in range(count)]


def _row(line: str, place: str) -> Row:
    try:
        row = parse_json(line)
        if "prompt" in row:
            prompt, completion = list(_messages(row["prompt"])), row["completion"]
        else:
            *prompt, last = _messages(row["messages"] if "messages" in row else row["conversations"])
            if last["role"] != "assistant":
                raise UsageError(f"{place}: the last turn is not the assistant's.")
            completion = last["content"]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{place}: not a row; it needs prompt and completion, or messages, or conversations "
            f"({type(error).__name__}: {error})."
        ) from error
    if not isinstance(completion, str) or not prompt:
        raise UsageError(f"{place}: the completion must be a text, and something must come before it.")
    return Row(place, tuple(prompt), completion, row.get("oracle"))


def _messages(turns: list[dict[str, str]]) -> Iterator[Message]:
    for turn in turns:
        if "from" in turn:
            yield {"role": _SHAREGPT_ROLES[turn["from"]], "content": turn["value"]}
        else:
            yield {"role": turn["role"], "content": turn["content"]}
