"""Keys and values of a Llama as plain tensors, for networks that are converted. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def key_values_shape(config: Any) -> tuple[int, int, int]:
    """Return how many keys and values the layers of a configuration have in all, their heads, and a head's size."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers, config.num_key_value_heads, size


class Past:
    """Keys and values as the layers of a transformers model see them: those of the past, to which theirs are added.

    Attributes:
        present: Those of past and new tokens, as they were added: of each layer its keys, then its values.
    """

    def __init__(self, past: Sequence[torch.Tensor] | torch.Tensor) -> None:
        """Begin with those of the past, in the order of ``present``: each ``(rows, heads, tokens, size)``."""
        self._past = past
        self.present: list[torch.Tensor] = []

    def get_seq_length(self, *_: Any) -> int:
        """Return the number of past tokens."""
        return int(self._past[0].shape[2])

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add those of new tokens to a layer's; returns all of them."""
        both = tuple(
            torch.cat([self._past[2 * layer_idx + place], new], dim=2) for place, new in enumerate((keys, values))
        )
        self.present += both
        return both[0], both[1]
