"""The base model of a recipe, loaded for training: precision and quantisation by hardware."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.recipe import Recipe
from finetune.resources import processes
from retrieval.errors import MissingExtra
from retrieval.models import cpu_gains_from_bfloat16, quiet_model_libraries, resolve_model, weights_sha256


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model on this machine.

    Attributes:
        id: As the recipe names it.
        folder: Where its files are.
    """

    id: str
    folder: Path

    @classmethod
    def find(cls, name: str) -> BaseModel:
        """Find a model by folder, package or hub id.

        Raises:
            ModelNotFound: It is nowhere to be had.
        """
        return cls(name, resolve_model(name))

    def identity(self) -> dict[str, str]:
        """Return what an adapter is bound to: the model's id and the SHA-256 of its weights."""
        return {"id": self.id, "weights_sha256": weights_sha256(self.folder)}

    def tokenizer(self) -> Any:
        """Return the tokenizer; one that has no padding token pads with its end of turn."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def load(self, precision: str = "float32", quantize: str = "none") -> Any:
        """Return the causal language model, on the first GPU if there is one.

        Args:
            precision: A floating-point type of torch, by name.
            quantize: ``none`` or ``nf4``.

        Raises:
            MissingExtra: ``nf4`` without bitsandbytes.
        """
        import torch
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        quiet_model_libraries()
        dtype = getattr(torch, precision)
        options: dict[str, Any] = {"dtype": dtype}
        if torch.cuda.is_available() and (quantize == "nf4" or processes() == 1):  # else FSDP places the weights
            options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
        if quantize == "nf4":
            if not importlib.util.find_spec("bitsandbytes"):
                raise MissingExtra('quantize = "nf4" needs bitsandbytes: pip install "product-qa[train]".')
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
                bnb_4bit_quant_storage=dtype,
            )
        return AutoModelForCausalLM.from_pretrained(self.folder, **options)


def precision_of(recipe: Recipe) -> str:
    """Return the floating-point type that a recipe computes in on this machine."""
    import torch

    if recipe.precision != "auto":
        return recipe.precision
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "bfloat16" if cpu_gains_from_bfloat16() else "float32"
