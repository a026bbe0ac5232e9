"""A causal language model run by transformers: in bfloat16 on a CPU, in 4 bits on a GPU with bitsandbytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cached_property
from threading import Event, Lock, Thread
from typing import Any

from retrieval.errors import GenerationError
from retrieval.models import DEFAULT_LANGUAGE_MODEL, quiet_model_libraries, resolve_model
from retrieval.prompt import Message, encode_messages


class TransformersGenerator:
    """Greedy decoding of a model from a local folder, an installed package or the hub."""

    def __init__(self, name: str = DEFAULT_LANGUAGE_MODEL) -> None:
        """Find the model; its weights are loaded when the first prompt comes.

        Raises:
            ModelNotFound: The model is nowhere to be had.
        """
        self.name = name
        self._folder = resolve_model(name)
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
        options: dict[str, Any] = {"dtype": torch.bfloat16}
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
        return AutoModelForCausalLM.from_pretrained(self._folder, **options).eval()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the rendered prompt in tokens."""
        with self._lock:
            return len(encode_messages(self._tokenizer, messages))

    def generate(self, prompts: Sequence[Sequence[Message]], max_new_tokens: int) -> list[str]:
        """Complete each prompt; they are decoded together, padded on the left.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        if not prompts:
            return []
        batch = self._batch(prompts)
        output = self._run(batch, max_new_tokens)
        texts = self._tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def stream(self, messages: Sequence[Message], max_new_tokens: int) -> Iterator[str]:
        """Complete one prompt, piece by piece. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        import torch
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        closed = Event()
        failures: list[GenerationError] = []
        batch = self._batch([messages])
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)

        def is_closed(ids: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((len(ids),), closed.is_set(), device=ids.device)

        def work() -> None:
            try:
                self._run(batch, max_new_tokens, streamer=streamer, stopping_criteria=StoppingCriteriaList([is_closed]))
            except GenerationError as error:
                failures.append(error)
                streamer.end()

        worker = Thread(target=work, daemon=True)
        worker.start()
        try:
            yield from streamer
        finally:
            closed.set()
            worker.join()
        if failures:
            raise failures[0]

    def _batch(self, prompts: Sequence[Sequence[Message]]) -> Any:
        with self._lock:  # loading happens once, and tokenizers do not pad in two threads at a time
            ids = [encode_messages(self._tokenizer, messages) for messages in prompts]
            return self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)

    def _run(self, batch: Any, max_new_tokens: int, **options: Any) -> Any:
        import torch

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
