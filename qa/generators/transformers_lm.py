"""A causal language model run by transformers: on a CPU, or in 4 bits on a GPU with bitsandbytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from qa.generators.base import Prompt
from qa.generators.local import LocalGenerator
from qa.generators.reading import Network
from retrieval.models import cpu_gains_from_bfloat16, quiet_model_libraries


class TransformersGenerator(LocalGenerator):
    """A model that PyTorch runs; prompts without products are decoded together, padded on the left."""

    @cached_property
    def _network(self) -> Network:
        from qa.generators.torch_network import TorchNetwork

        return TorchNetwork(self._model)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import BitsAndBytesConfig

        if not torch.cuda.is_available():
            dtype = torch.bfloat16 if cpu_gains_from_bfloat16() else torch.float32
            return load_merged(self._folder, self._adapter_folder, dtype=dtype)
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        options: dict[str, Any] = {"dtype": half, "device_map": "auto"}
        if importlib.util.find_spec("bitsandbytes"):
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=half,
            )
        return load_merged(self._folder, self._adapter_folder, **options)

    def _free(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[str]:
        if not prompts:
            return []
        import torch

        ids = [self.encode(prompt.messages) for prompt in prompts]
        with self._lock, self._told(), torch.inference_mode():
            batch = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)
            output = self._model.generate(
                **batch, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=self._tokenizer.pad_token_id
            )
            written = output[:, batch["input_ids"].shape[1] :]
            return [text.strip() for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]


def load_tokenizer(base: Path) -> Any:
    """Load a model's tokenizer, which pads on the left."""
    from transformers import AutoTokenizer

    quiet_model_libraries()
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_merged(base: Path, adapter: Path | None, **options: Any) -> Any:
    """Load a causal language model, its adapter merged unless the weights are quantised.

    Args:
        base: Folder of the base model.
        adapter: Folder of an adapter.
        options: For ``from_pretrained``.
    """
    from transformers import AutoModelForCausalLM

    quiet_model_libraries()
    model = AutoModelForCausalLM.from_pretrained(base, **options)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
        model = model.get_base_model() if "quantization_config" in options else model.merge_and_unload()
    return model.eval()
