"""What the pipeline needs of a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from retrieval.context import Shown
from retrieval.prompt import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is given.

    Attributes:
        messages: The chat messages.
        context: The products they show; none when it is asked without retrieval.
    """

    messages: tuple[Message, ...]
    context: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said.

    Attributes:
        text: Its words.
        tokens: Lengths of what it read and of its words in its tokens, ``prompt`` and ``completion``; empty where they
            are not known.
    """

    text: str
    tokens: dict[str, int] = field(default_factory=dict)


class Generator(Protocol):
    """Completes chat messages, greedily: the same messages give the same words.

    Attributes:
        only_quotes: Whether a prompt that shows products is completed in one of the forms of ``retrieval.prompt``, with
            words of the first product only; whatever another says is checked afterwards.
    """

    only_quotes: bool

    @property
    def name(self) -> str:
        """Which model this is."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the rendered prompt in tokens."""

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        """Complete each prompt.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        """Complete one prompt: its words piece by piece, then all of it. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
