"""Texts of like length together, so that next to nothing is computed for padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

TOKENS_AT_ONCE = 512
"""As many as keep the activations in a processor's cache."""


def batches_by_length(lengths: Sequence[int], at_once: int) -> Iterator[list[int]]:
    """Divide numbers of texts into batches, the shortest first.

    Args:
        lengths: Of each text, in tokens.
        at_once: Tokens of a batch, its padding counted; a longer text has a batch of its own.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > at_once:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
