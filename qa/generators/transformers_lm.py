"""A causal language model run by transformers: on a CPU, or in 4 bits on a GPU with bitsandbytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from qa.generators.base import Completion, Prompt
from qa.generators.copying import CopyGrammar
from retrieval.adapter import AdapterIdentity
from retrieval.errors import GenerationError
from retrieval.models import DEFAULT_LANGUAGE_MODEL, cpu_gains_from_bfloat16, quiet_model_libraries, resolve_model
from retrieval.prompt import Message, encode_messages


class TransformersGenerator:
    """Greedy decoding of a model from a local folder, an installed package or the hub, with or without an adapter."""

    def __init__(self, name: str = DEFAULT_LANGUAGE_MODEL, adapter: Path | None = None) -> None:
        """Find the model; its weights are loaded when the first prompt comes.

        Args:
            name: The base model.
            adapter: Folder of a LoRA adapter that was trained on it.

        Raises:
            ModelNotFound: The model is nowhere to be had.
            AdapterMismatch: The adapter belongs to another model or another prompt.
        """
        self.name = name
        self.adapter = AdapterIdentity.read(adapter) if adapter else None
        self._adapter_folder = adapter
        self._folder = resolve_model(name)
        if self.adapter:
            self.adapter.check(self._folder)
        self.copies = adapter is not None
        """Whether it can only copy what is shown: a tuned model knows how to; another is better left to its words."""
        self._lock = Lock()

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self._folder, padding_side="left")
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        quiet_model_libraries()
        options: dict[str, Any] = {"dtype": torch.bfloat16 if cpu_gains_from_bfloat16() else torch.float32}
        if torch.cuda.is_available():
            half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
            options = {"dtype": half, "device_map": "auto"}
            if importlib.util.find_spec("bitsandbytes"):
                options["quantization_config"] = BitsAndBytesConfig(
                    load_in_4bit=True,
                    bnb_4bit_quant_type="nf4",
                    bnb_4bit_use_double_quant=True,
                    bnb_4bit_compute_dtype=half,
                )
        model = AutoModelForCausalLM.from_pretrained(self._folder, **options)
        if self._adapter_folder:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(self._adapter_folder))
            if "quantization_config" not in options:
                model = model.merge_and_unload()
        return model.eval()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the rendered prompt in tokens."""
        with self._lock:
            return len(encode_messages(self._tokenizer, messages))

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        """Complete each prompt; they are decoded together, padded on the left.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        if not prompts:
            return []
        batch, grammars = self._batch(prompts)
        return self._completions(batch, grammars, self._run(batch, grammars, max_new_tokens))

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        """Complete one prompt: its words piece by piece, then all of it. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        import torch
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        closed = Event()
        ended: list[Any] = []
        batch, grammars = self._batch([prompt])
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)

        def is_closed(ids: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((len(ids),), closed.is_set(), device=ids.device)

        def work() -> None:
            criteria = StoppingCriteriaList([is_closed])
            try:
                ended.append(self._run(batch, grammars, max_new_tokens, streamer=streamer, stopping_criteria=criteria))
            except GenerationError as error:
                ended.append(error)
                streamer.end()

        worker = Thread(target=work, daemon=True)
        worker.start()
        try:
            yield from streamer
        finally:
            closed.set()
            worker.join()
        if isinstance(ended[0], GenerationError):
            raise ended[0]
        yield self._completions(batch, grammars, ended[0])[0]

    def _batch(self, prompts: Sequence[Prompt]) -> tuple[Any, list[CopyGrammar]]:
        """Encode prompts; those that show products, to a model that copies, get a grammar and a batch of their own."""
        with self._lock:  # loading happens once, and tokenizers do not pad in two threads at a time
            ids = [encode_messages(self._tokenizer, prompt.messages) for prompt in prompts]
            grammars = [
                CopyGrammar(self._tokenizer, p.context, p.numbers) for p in prompts if p.context and self.copies
            ]
            return self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device), grammars

    def _run(self, batch: Any, grammars: Sequence[CopyGrammar], max_new_tokens: int, **options: Any) -> Any:
        import torch

        if grammars:
            options["prefix_allowed_tokens_fn"] = _allowed(grammars, batch["input_ids"].shape[1])
        try:
            with torch.inference_mode():
                return self._model.generate(
                    **batch,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    pad_token_id=self._tokenizer.pad_token_id,
                    **options,
                )
        except RuntimeError as error:
            raise GenerationError(f"Model {self.name} failed while it answered: {error}.") from error

    def _completions(self, batch: Any, grammars: Sequence[CopyGrammar], output: Any) -> list[Completion]:
        written = output[:, batch["input_ids"].shape[1] :]
        if grammars:
            return [Completion(grammar.complete(ids)) for grammar, ids in zip(grammars, written.tolist(), strict=True)]
        return [Completion(text.strip()) for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]


def _allowed(grammars: Sequence[CopyGrammar], length: int) -> Callable[[int, Any], list[int]]:
    return lambda row, ids: grammars[row].allowed(ids[length:].tolist())
