"""Which generator a model's name asks for."""

from __future__ import annotations

from pathlib import Path

from qa.generators.base import Generator
from qa.generators.local import LocalGenerator
from qa.generators.openai_server import OpenAIGenerator
from qa.generators.openvino_lm import OpenVINOGenerator
from qa.generators.transformers_lm import TransformersGenerator
from retrieval.errors import UsageError
from retrieval.models import find_adapter
from retrieval.openvino_runtime import openvino_is_fastest

EXTRACTIVE = "extractive"
_ADDRESSES = ("http://", "https://")
_RUNTIMES: dict[str, type[LocalGenerator]] = {"openvino": OpenVINOGenerator, "transformers": TransformersGenerator}


def find_generator(model: str, adapter: Path | str = "auto") -> Generator | None:
    """Find a language model; the weights of one that runs here are loaded when the first prompt comes.

    Args:
        model: Hub id or folder of a causal language model, run by OpenVINO where that is installed and there is no GPU,
            else by transformers, or by whichever of the two is named before it (``openvino:NAME``); the address of an
            OpenAI-compatible server with the model's name after a ``#``; or ``extractive``.
        adapter: ``auto`` takes the one that ships for this model, if there is one; ``none`` leaves the model untuned;
            anything else is the folder of an adapter.

    Returns:
        None for ``extractive``: without a language model.

    Raises:
        ModelNotFound: The model is nowhere to be had.
        AdapterMismatch: The adapter belongs to another model, or to another version of the prompt.
        UsageError: An adapter is named for a model that does not run here.
    """
    served = model.startswith(_ADDRESSES)
    if (model == EXTRACTIVE or served) and str(adapter) not in ("auto", "none"):
        raise UsageError(f"{model} takes no adapter; one is laid over a model that runs here.")
    if model == EXTRACTIVE:
        return None
    if served:
        return OpenAIGenerator(model)
    runtime, _, name = model.rpartition(":")
    if runtime not in _RUNTIMES:
        name, runtime = model, "openvino" if openvino_is_fastest() else "transformers"
    return _RUNTIMES[runtime](name, find_adapter(str(adapter), name))
