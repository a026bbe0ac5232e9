"""Reading with a causal language model: a prompt once, then any number of continuations in one more pass.

Continuations stand one after the other in a single sequence, without padding; each token sees the prompt and what
stands before it in its own continuation, as in the verification of token trees (Miao et al., "SpecInfer", ASPLOS 2024,
arXiv:2305.09781). So the keys and values of a prompt are never copied for a batch, and those of the words that begin
every prompt are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]
"""Log-probabilities ``(places, vocabulary)``."""


class Network(Protocol):
    """One pass of a causal language model. Keys and values have the shape ``(2 · layers, 1, heads, tokens, size)``."""

    @property
    def nothing(self) -> Any:
        """The keys and values of no token."""

    def run(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        sees: NDArray[np.bool_],
        wanted: NDArray[np.int64],
        past: Any,
    ) -> tuple[Table, Any]:
        """Run over tokens that follow others.

        Args:
            ids: Tokens ``(n,)``.
            positions: Their positions ``(n,)``.
            sees: Which tokens each of them sees ``(n, past + n)``.
            wanted: Those of them after which probabilities are wanted.
            past: Keys and values of the tokens before.

        Returns:
            The log-probability of every token after those that are wanted; keys and values of all ``past + n`` tokens.
        """


@dataclass(frozen=True, slots=True)
class Read:
    """Tokens that were read.

    Attributes:
        past: Their keys and values.
        length: Their number.
        following: The log-probability of every token to be the next.
    """

    past: Any
    length: int
    following: Table


class Reader(Protocol):
    """A causal language model that has no words of its own."""

    def read(
        self, ids: Sequence[int], continuations: Sequence[Sequence[int]] = (), after: Read | None = None
    ) -> tuple[Read, list[Table]]:
        """Read tokens, and continuations of them, in one pass.

        Args:
            ids: Tokens.
            continuations: Tokens that may follow; each is read as if the others were not there.
            after: What was read before; a prompt begins without.

        Returns:
            What was read, and for each continuation the log-probability of every token ``(length + 1, vocabulary)``:
            before its first token, and after each.
        """


class NetworkReader:
    """Reads with a network; keeps the keys and values of the words that every prompt begins with."""

    def __init__(self, network: Network, beginning: Sequence[int] = ()) -> None:
        """Read the beginning of the prompts.

        Args:
            network: The model.
            beginning: Tokens; a prompt that begins otherwise is read whole.
        """
        self._network = network
        self._empty = Read(network.nothing, 0, np.empty(0, np.float32))
        self._beginning = list(beginning)
        self._begun = self.read(beginning, after=self._empty)[0] if beginning else self._empty

    def read(
        self, ids: Sequence[int], continuations: Sequence[Sequence[int]] = (), after: Read | None = None
    ) -> tuple[Read, list[Table]]:
        """Read tokens, and continuations of them, in one pass: see ``Reader``."""
        if after is None:
            begins = len(ids) > self._begun.length and list(ids[: self._begun.length]) == self._beginning
            after = self._begun if begins else self._empty
            ids = ids[after.length :]
        lengths = [len(ids), *map(len, continuations)]
        places = [np.arange(length) for length in lengths]
        positions = after.length + np.concatenate([places[0], *(len(ids) + own for own in places[1:])])
        rows, present = self._network.run(
            np.fromiter(chain(ids, *continuations), np.int64),
            positions.astype(np.int64),
            _tree(after.length, lengths),
            np.arange(max(0, len(ids) - 1), len(positions), dtype=np.int64),
            after.past,
        )
        if len(ids):
            after = Read(present[..., : after.length + len(ids), :], after.length + len(ids), rows[0].copy())
            rows = rows[1:]
        ends = np.cumsum(lengths[1:], dtype=int)
        tables = [
            np.concatenate([after.following[None], rows[end - length : end]])
            for end, length in zip(ends, lengths[1:], strict=True)
        ]
        return after, tables


def _tree(past: int, lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Return which tokens each token sees: what was read before, the first of these sequences, and its own."""
    count = sum(lengths)
    sees = np.zeros((count, past + count), bool)
    sees[:, :past] = True
    sees[lengths[0] :, past : past + lengths[0]] = True
    start = 0
    for length in lengths:
        sees[start : start + length, past + start : past + start + length] = np.tri(length, dtype=bool)
        start += length
    return sees
