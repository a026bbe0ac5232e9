"""Models that OpenVINO runs on a CPU: converted once, then opened memory-mapped, without importing PyTorch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.batches import TOKENS_AT_ONCE, batches_by_length
from retrieval.machine import has_gpu
from retrieval.models import cache_folder, cpu_gains_from_bfloat16, made_once

if TYPE_CHECKING:
    import torch

MODEL, TOKENIZER = "model.xml", "tokenizer.json"
_FACTS = "facts.json"
_VERSION = 3
"""Of what is converted: goes up with every change of a graph or of what stands beside it."""
_EXAMPLE = (2, 7)
_ROUNDED_TOGETHER = 64
"""Activations that share a scale, where weights are in 8 bits."""


def openvino_is_fastest() -> bool:
    """Tell whether OpenVINO is installed and there is no GPU for PyTorch."""
    return importlib.util.find_spec("openvino") is not None and not has_gpu()


def compiled(folder: Path, precision: str) -> Any:
    """Return the model of a folder, ready to run; what OpenVINO compiles of it is kept beside it.

    Args:
        folder: Holds ``model.xml``.
        precision: What is computed in, ``f32`` or ``bf16``.
    """
    import openvino

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_ROUNDED_TOGETHER),
        "CACHE_DIR": str(folder),
    }
    return openvino.Core().compile_model(folder / MODEL, "CPU", options)


def converted_once(sources: Iterable[str], convert: Callable[[Path], None]) -> Path:
    """Return the cache folder of a converted model; it is converted first if need be.

    Args:
        sources: Hashes of what it is made of, and what else tells how.
        convert: Fills the empty folder that it is given.
    """
    key = hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
    return made_once(cache_folder() / f"openvino-{importlib.metadata.version('openvino')}-{_VERSION}-{key}", convert)


def save_converted(
    network: torch.nn.Module,
    example: Mapping[str, torch.Tensor],
    shapes: Mapping[str, list[int]],
    folder: Path,
    *,
    in_8_bits: bool = False,
) -> None:
    """Convert a PyTorch module into a folder.

    Args:
        network: The module, in float32.
        example: Inputs of its ``forward`` by name.
        shapes: Their shapes by name, -1 where a side may have any length.
        folder: Where ``model.xml`` is written.
        in_8_bits: Round the weights of matrix products.
    """
    import openvino
    import torch

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of branches that are taken alike for every input
        model = openvino.convert_model(network.eval(), example_input=dict(example), input=list(shapes.items()))
    if in_8_bits:
        _round_weights(model)
    openvino.save_model(model, folder / MODEL, compress_to_fp16=False)


def _round_weights(model: Any) -> None:
    """Keep the weights of matrix products in 8 bits, with a scale for each output.

    OpenVINO rounds the other factor while it computes (``DYNAMIC_QUANTIZATION_GROUP_SIZE``), so nothing is to be
    measured beforehand; after Dettmers et al., "LLM.int8()", NeurIPS 2022, arXiv:2208.07339, without its outliers.
    """
    from openvino import opset13 as operations

    for product in model.get_ops():
        if product.get_type_name() != "MatMul":
            continue
        factor = product.input_value(1).get_node()
        if factor.get_type_name() != "Constant":
            continue
        weights, largest = factor.data, np.iinfo(np.int8).max
        summed = -1 if product.get_attributes()["transpose_b"] else -2
        scale = np.maximum(np.abs(weights).max(axis=summed, keepdims=True) / largest, np.finfo(np.float32).tiny)
        rounded = operations.constant(np.round(weights / scale).astype(np.int8))
        restored = operations.multiply(operations.convert(rounded, "f32"), operations.constant(scale))
        product.input(1).replace_source_output(restored.output(0))


class ConvertedReader:
    """A converted sentence-transformers model: texts, or pairs of texts, to rows of numbers. Not safe to share."""

    def __init__(self, folder: Path) -> None:
        """Open what ``convert_reader`` wrote."""
        from tokenizers import Tokenizer

        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        self.width: int = facts["width"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(facts["max_tokens"])
        self._request = compiled(folder, "bf16" if cpu_gains_from_bfloat16() else "f32").create_infer_request()

    def read(self, texts: Sequence[str] | Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return an array ``(n, width)``. Texts share a batch with others of their length."""
        encoded = self._tokenizer.encode_batch(list(texts))
        rows = np.empty((len(encoded), self.width), dtype=np.float32)
        for batch in batches_by_length([len(each.ids) for each in encoded], TOKENS_AT_ONCE):
            inputs = np.zeros((3, len(batch), len(encoded[batch[-1]].ids)), dtype=np.int64)
            for row, number in enumerate(batch):
                one = encoded[number]
                inputs[:, row, : len(one.ids)] = one.ids, one.attention_mask, one.type_ids
            rows[batch] = self._request.infer(list(inputs))[0].reshape(len(batch), self.width)
        return rows


def convert_reader(model: Any, output: str, folder: Path, *, in_8_bits: bool = False) -> None:
    """Convert a sentence-transformers model over a BERT into a folder that ``ConvertedReader`` opens.

    Args:
        model: A ``SentenceTransformer`` or ``CrossEncoder`` on the CPU in float32.
        output: Name of the feature that is wanted of it, ``(n, width)``.
        folder: An empty folder.
        in_8_bits: Round its weights.
    """
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            return self.model(features)[output]

    names = ("input_ids", "attention_mask", "token_type_ids")
    example = {name: torch.ones(_EXAMPLE, dtype=torch.long) for name in names}
    example["attention_mask"][-1, -2:] = 0
    save_converted(Network(), example, {name: [-1, -1] for name in names}, folder, in_8_bits=in_8_bits)
    with torch.inference_mode():
        width = model({name: tensor.clone() for name, tensor in example.items()})[output].shape[-1]
    model.tokenizer.save_pretrained(folder)
    facts = {"width": width, "max_tokens": model.max_seq_length}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
