"""A causal language model run by OpenVINO, converted once: the fastest that is known here for a CPU."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.generators.chat_tokenizer import ChatTokenizer, save_chat_tokenizer
from qa.generators.local import LocalGenerator
from qa.generators.reading import Network, Table
from retrieval.errors import MissingExtra
from retrieval.models import DEFAULT_LANGUAGE_MODEL, adapter_sha256, cpu_gains_from_8_bits, weights_sha256
from retrieval.openvino_runtime import compiled, converted_once, save_converted


class OpenVINOGenerator(LocalGenerator):
    """A model, its adapter merged, in the form that OpenVINO opens memory-mapped.

    It computes in float32, or in 8 bits where the processor gains from that.
    """

    def __init__(self, name: str = DEFAULT_LANGUAGE_MODEL, adapter: Path | None = None) -> None:
        """Find the model: see ``LocalGenerator``. It is converted when the first prompt comes, unless it was before.

        Raises:
            MissingExtra: OpenVINO is not installed.
        """
        if importlib.util.find_spec("openvino") is None:
            raise MissingExtra("OpenVINO is not installed; run: pip install 'product-qa[openvino]'.")
        super().__init__(name, adapter)

    @cached_property
    def _network(self) -> Network:
        return OpenVINONetwork(self._converted)

    @cached_property
    def _tokenizer(self) -> Any:
        return ChatTokenizer(self._converted)

    @cached_property
    def _converted(self) -> Path:
        return converted(self._folder, self._adapter_folder)


class OpenVINONetwork:
    """A converted model. Threads take turns."""

    def __init__(self, folder: Path) -> None:
        """Open a model that ``converted`` wrote; what OpenVINO compiles of it is kept beside it."""
        model = compiled(folder, "f32")
        shape = model.input("past").partial_shape
        self.nothing = np.zeros([1 if side.is_dynamic else side.get_length() for side in shape], np.float32)[..., :0, :]
        self._request = model.create_infer_request()
        self._lock = Lock()

    def run(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        sees: NDArray[np.bool_],
        wanted: NDArray[np.int64],
        past: NDArray[np.float32],
    ) -> tuple[Table, NDArray[np.float32]]:
        """Run over tokens: see ``reading.Network``."""
        inputs = [ids, positions, sees, wanted, np.ascontiguousarray(past)]
        with self._lock:
            outputs = self._request.infer(inputs, share_inputs=True)
        return outputs[0], outputs[1]


def converted(base: Path, adapter: Path | None) -> Path:
    """Return the folder of a converted model; it is converted first if need be.

    Args:
        base: Folder of the base model.
        adapter: Folder of an adapter.
    """
    in_8_bits = cpu_gains_from_8_bits()
    sources = [weights_sha256(base), f"{in_8_bits=}"]
    if adapter:
        sources.append(adapter_sha256(adapter))
    return converted_once(sources, lambda folder: _convert(base, adapter, folder, in_8_bits))


def _convert(base: Path, adapter: Path | None, folder: Path, in_8_bits: bool) -> None:
    import torch

    from qa.generators.torch_network import TorchNetwork
    from qa.generators.transformers_lm import load_merged, load_tokenizer

    network = TorchNetwork(load_merged(base, adapter, dtype=torch.float32))
    layers, batch, heads, _, size = network.nothing.shape
    example = {
        "ids": torch.arange(3),
        "positions": torch.arange(2, 5),
        "sees": torch.ones(3, 5, dtype=torch.bool),
        "wanted": torch.arange(2),
        "past": torch.zeros(layers, batch, heads, 2, size),
    }
    shapes = {
        "ids": [-1],
        "positions": [-1],
        "sees": [-1, -1],
        "wanted": [-1],
        "past": [layers, batch, heads, -1, size],
    }
    save_converted(network, example, shapes, folder, in_8_bits=in_8_bits)
    save_chat_tokenizer(load_tokenizer(base), folder)
