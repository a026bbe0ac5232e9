"""What the pipeline needs of a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from retrieval.prompt import Message


class Generator(Protocol):
    """Completes chat messages, greedily: the same messages give the same words."""

    @property
    def name(self) -> str:
        """Which model this is."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the rendered prompt in tokens."""

    def generate(self, prompts: Sequence[Sequence[Message]], max_new_tokens: int) -> list[str]:
        """Complete each prompt.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """Complete one prompt, piece by piece. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
