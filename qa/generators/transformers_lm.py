"""A causal language model run by transformers: on a CPU, or in 4 bits on a GPU with bitsandbytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from qa.generators.base import Completion, Prompt
from qa.generators.quoting import quote
from retrieval.adapter import AdapterIdentity
from retrieval.errors import GenerationError
from retrieval.models import DEFAULT_LANGUAGE_MODEL, cpu_gains_from_bfloat16, quiet_model_libraries, resolve_model
from retrieval.prompt import Message, encode_messages

if TYPE_CHECKING:
    import torch


class TransformersGenerator:
    """A model from a local folder, an installed package or the hub, with or without an adapter.

    Prompts that show products are answered by quoting them (``qa.generators.quoting``), others by greedy decoding.
    """

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
        """Complete each prompt; those that show no product are decoded together, padded on the left.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        ids = [self._encode(prompt) for prompt in prompts]
        free = [place for place, prompt in enumerate(prompts) if not prompt.context]
        said = dict(zip(free, self._free([ids[place] for place in free], max_new_tokens), strict=True))
        return [
            Completion(self._quote(of_it, prompt) if prompt.context else said[place])
            for place, (of_it, prompt) in enumerate(zip(ids, prompts, strict=True))
        ]

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        """Complete one prompt: its words piece by piece, then all of it. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        ids = self._encode(prompt)
        if prompt.context:
            yield Completion(self._quote(ids, prompt))
            return
        from transformers import TextIteratorStreamer

        closed = Event()
        ended: list[str | GenerationError] = []
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)

        def is_closed(ids: Any, _scores: Any, **_: Any) -> Any:
            import torch

            return torch.full((len(ids),), closed.is_set(), device=ids.device)

        def work() -> None:
            try:
                ended.extend(self._free([ids], max_new_tokens, streamer=streamer, stopping_criteria=[is_closed]))
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
        yield Completion(ended[0])

    def _encode(self, prompt: Prompt) -> list[int]:
        with self._lock:  # loading happens once, and tokenizers are not safe to share
            return encode_messages(self._tokenizer, prompt.messages)

    def _quote(self, ids: list[int], prompt: Prompt) -> str:
        with self._lock, self._told():
            return quote(CachedReader(self._model), self._tokenizer, ids, prompt.context)

    def _free(self, ids: list[list[int]], max_new_tokens: int, **options: Any) -> list[str]:
        """Decode prompts greedily, together."""
        import torch
        from transformers import StoppingCriteriaList

        if not ids:
            return []
        with self._lock:
            batch = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)
        if "stopping_criteria" in options:
            options["stopping_criteria"] = StoppingCriteriaList(options["stopping_criteria"])
        with self._told(), torch.inference_mode():
            output = self._model.generate(
                **batch,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
                **options,
            )
        written = output[:, batch["input_ids"].shape[1] :]
        return [text.strip() for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a failure of the model into one sentence."""
        try:
            yield
        except RuntimeError as error:
            raise GenerationError(f"Model {self.name} failed while it answered: {error}.") from error


class CachedReader:
    """A transformers model, which keeps the keys and values of a prompt that it has read."""

    def __init__(self, model: Any) -> None:
        """Wrap a causal language model."""
        self._model = model

    def read(self, prompt: Sequence[int]) -> tuple[Any, torch.Tensor]:
        """Run over a prompt; returns its keys and values, and the logits after it ``(vocabulary,)``."""
        import torch

        with torch.inference_mode():
            ids = torch.tensor([list(prompt)], device=self._model.device)
            output = self._model(input_ids=ids, use_cache=True, logits_to_keep=1)
        return output.past_key_values, output.logits[0, -1]

    def log_probabilities(
        self, state: tuple[Any, torch.Tensor], continuations: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Return the log-probability of every token at each place: see ``quoting.Reader``.

        Continuations are padded on the right, where causal attention cannot see the padding.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        cache, before = state
        length = cache.get_seq_length()
        batch = pad_sequence([torch.tensor(ids) for ids in continuations], batch_first=True).to(before.device)
        with torch.inference_mode():
            cache.batch_repeat_interleave(len(batch))
            logits = self._model(input_ids=batch, past_key_values=cache, use_cache=True).logits
            cache.crop(length - cache.get_seq_length())
            cache.batch_select_indices(torch.tensor([0], device=before.device))
            every = torch.cat([before.expand(len(batch), 1, -1), logits], dim=1)
            return every.float().log_softmax(dim=-1).cpu()
