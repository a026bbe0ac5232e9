"""A transformers model as a network for reading: what PyTorch runs, and what is converted for other runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qa.generators.reading import Table


class _Past:
    """Keys and values as the layers of a transformers model see them: those of the past, to which theirs are added."""

    def __init__(self, past: torch.Tensor) -> None:
        self._past = past
        self.present: list[torch.Tensor] = []

    def get_seq_length(self, *_: Any) -> int:
        return int(self._past.shape[3])

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        both = tuple(
            torch.cat([self._past[2 * layer_idx + place], new], dim=2) for place, new in enumerate((keys, values))
        )
        self.present += both
        return both[0], both[1]


class TorchNetwork(torch.nn.Module):  # type: ignore[misc]
    """A causal language model with full attention in every layer, as Llama has."""

    def __init__(self, model: Any) -> None:
        """Wrap a transformers model."""
        super().__init__()
        self._model = model

    @property
    def nothing(self) -> torch.Tensor:
        """The keys and values of no token."""
        config = self._model.config
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (2 * config.num_hidden_layers, 1, config.num_key_value_heads, 0, size)
        return torch.zeros(shape, dtype=self._model.dtype, device=self._model.device)

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        sees: torch.Tensor,
        wanted: torch.Tensor,
        past: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run over tokens: see ``reading.Network.run``; tensors instead of arrays."""
        cache = _Past(past)
        states = self._model.get_decoder()(
            input_ids=ids[None],
            position_ids=positions[None],
            attention_mask=sees[None, None],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        logits = self._model.get_output_embeddings()(states[0].index_select(0, wanted))
        return logits.float().log_softmax(dim=-1), torch.stack(cache.present)

    def run(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        sees: NDArray[np.bool_],
        wanted: NDArray[np.int64],
        past: torch.Tensor,
    ) -> tuple[Table, torch.Tensor]:
        """Run over tokens: see ``reading.Network``."""
        with torch.inference_mode():
            inputs = (torch.from_numpy(array).to(past.device) for array in (ids, positions, sees, wanted))
            table, present = self(*inputs, past)
            return table.cpu().numpy(), present
