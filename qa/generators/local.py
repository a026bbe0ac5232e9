"""A causal language model on this machine, whatever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from threading import RLock
from typing import Any

from qa.generators.base import Completion, Prompt
from qa.generators.quoting import quote
from qa.generators.reading import Network, NetworkReader
from retrieval.adapter import AdapterIdentity
from retrieval.errors import GenerationError
from retrieval.models import DEFAULT_LANGUAGE_MODEL, resolve_model
from retrieval.prompt import Message, build_messages, encode_messages, encode_text

_UNFINISHED = "\ufffd"
"""What is decoded of a character of which not all tokens are there."""


class LocalGenerator(ABC):
    """A model from a local folder, an installed package or the hub, with or without an adapter.

    Prompts that show products are answered by quoting them (``qa.generators.quoting``), others by greedy decoding.
    Whatever runs the model, prompts are the same to the token. Threads take turns.
    """

    only_quotes = True

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
        self._lock = RLock()  # loading happens once, and tokenizers are not safe to share

    @property
    @abstractmethod
    def _network(self) -> Network:
        """The model, loaded when it is first asked for."""

    @property
    @abstractmethod
    def _tokenizer(self) -> Any:
        """Its tokenizer, loaded when it is first asked for."""

    @cached_property
    def _reader(self) -> NetworkReader:
        some = (encode_messages(self._tokenizer, build_messages(question, ())) for question in ("?", "a"))
        beginning = [one for one, _ in takewhile(lambda both: both[0] == both[1], zip(*some, strict=False))]
        return NetworkReader(self._network, beginning)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the length of the rendered prompt in tokens."""
        return len(self.encode(messages))

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of the rendered prompt."""
        with self._lock:
            return encode_messages(self._tokenizer, messages)

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        """Complete each prompt.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        free = [place for place, prompt in enumerate(prompts) if not prompt.context]
        said = dict(zip(free, self._free([prompts[place] for place in free], max_new_tokens), strict=True))
        return [
            self._quote(prompt) if prompt.context else self._counted(self.encode(prompt.messages), said[place])
            for place, prompt in enumerate(prompts)
        ]

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        """Complete one prompt: its words piece by piece, then all of it. Closing the iterator stops the model.

        Raises:
            GenerationError: The model failed; the generator stays usable.
        """
        if prompt.context:
            yield self._quote(prompt)
            return
        said = ""
        for text in self._greedy(prompt, max_new_tokens):
            yield text[len(said) :]
            said = text
        yield self._counted(self.encode(prompt.messages), said.strip())

    def _quote(self, prompt: Prompt) -> Completion:
        with self._lock, self._told():
            ids = self.encode(prompt.messages)
            return self._counted(ids, quote(self._reader, self._tokenizer, ids, prompt.context))

    def _counted(self, prompt: Sequence[int], text: str) -> Completion:
        """Return what was said, with the number of tokens of the prompt and of the words."""
        with self._lock:
            written = len(encode_text(self._tokenizer, text))
        return Completion(text, {"prompt": len(prompt), "completion": written})

    def _free(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[str]:
        """Decode prompts greedily."""
        said = [list(self._greedy(prompt, max_new_tokens)) for prompt in prompts]
        return [texts[-1].strip() if texts else "" for texts in said]

    def _greedy(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str]:
        """Decode a prompt greedily; yields the whole text each time that it has grown."""
        ids: list[int] = []
        read = None
        while len(ids) < max_new_tokens:
            with self._lock, self._told():
                read, _ = self._reader.read(ids[-1:] or self.encode(prompt.messages), after=read)
                ids.append(int(read.following.argmax()))
                if ids[-1] == self._tokenizer.eos_token_id:
                    return
                text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
            if not text.endswith(_UNFINISHED):
                yield text

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a failure of the model into one sentence."""
        try:
            yield
        except RuntimeError as error:
            raise GenerationError(f"Model {self.name} failed while it answered: {error}.") from error
