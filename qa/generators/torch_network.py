"""A transformers model as a network for reading: what PyTorch runs, and what is converted for other runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qa.generators.reading import Table
from retrieval.key_values import Past, key_values_shape


class TorchNetwork(torch.nn.Module):  # type: ignore[misc]
    """A causal language model with full attention in every layer, as Llama has."""

    def __init__(self, model: Any) -> None:
        """Wrap a transformers model."""
        super().__init__()
        self._model = model

    @property
    def nothing(self) -> torch.Tensor:
        """The keys and values of no token."""
        count, heads, size = key_values_shape(self._model.config)
        return torch.zeros((count, 1, heads, 0, size), dtype=self._model.dtype, device=self._model.device)

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        sees: torch.Tensor,
        wanted: torch.Tensor,
        past: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run over tokens: see ``reading.Network.run``; tensors instead of arrays."""
        cache = Past(past)
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
