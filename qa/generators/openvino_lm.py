"""A causal language model run by OpenVINO, converted once: the fastest that is known here for a CPU."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import warnings
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from qa.generators.local import LocalGenerator
from qa.generators.reading import Network, Table
from qa.generators.transformers_lm import load_merged
from retrieval.errors import UsageError
from retrieval.files import sha256_of_files
from retrieval.models import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    DEFAULT_LANGUAGE_MODEL,
    cache_folder,
    made_once,
    weights_sha256,
)

_MODEL = "model.xml"
_VERSION = 1
"""Of what is converted: goes up with every change of the graph."""
_OPTIONS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def openvino_is_fastest() -> bool:
    """Tell whether OpenVINO is installed and there is no GPU for PyTorch."""
    if importlib.util.find_spec("openvino") is None:
        return False
    import torch

    return not torch.cuda.is_available()


class OpenVINOGenerator(LocalGenerator):
    """A model in float32, its adapter merged, in the form that OpenVINO opens memory-mapped."""

    def __init__(self, name: str = DEFAULT_LANGUAGE_MODEL, adapter: Path | None = None) -> None:
        """Find the model: see ``LocalGenerator``. It is converted when the first prompt comes, unless it was before.

        Raises:
            UsageError: OpenVINO is not installed.
        """
        if importlib.util.find_spec("openvino") is None:
            raise UsageError("OpenVINO is not installed; run: pip install 'product-qa[openvino]'.")
        super().__init__(name, adapter)

    @cached_property
    def _network(self) -> Network:
        return OpenVINONetwork(converted(self._folder, self._adapter_folder))


class OpenVINONetwork:
    """A converted model. Threads take turns."""

    def __init__(self, folder: Path) -> None:
        """Open a model that ``converted`` wrote; what OpenVINO compiles of it is kept beside it."""
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(folder / _MODEL, "CPU", _OPTIONS | {"CACHE_DIR": str(folder)})
        shape = compiled.input("past").partial_shape
        self.nothing = np.zeros([1 if side.is_dynamic else side.get_length() for side in shape], np.float32)[..., :0, :]
        self._request = compiled.create_infer_request()
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
    sources = [weights_sha256(base)]
    if adapter:
        sources.append(sha256_of_files([adapter / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)]))
    key = hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
    target = cache_folder() / f"openvino-{importlib.metadata.version('openvino')}-{_VERSION}-{key}"
    return made_once(target, lambda folder: _convert(base, adapter, folder / _MODEL))


def _convert(base: Path, adapter: Path | None, path: Path) -> None:
    import openvino
    import torch

    from qa.generators.torch_network import TorchNetwork

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
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of branches that are taken alike for every input
        model = openvino.convert_model(network, example_input=example, input=list(shapes.items()))
    openvino.save_model(model, path, compress_to_fp16=False)
