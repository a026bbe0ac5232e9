"""A language model behind an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama, or a team's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from qa.generators.base import Completion, Prompt
from retrieval.errors import GenerationError, UsageError
from retrieval.prompt import Message

_AT_ONCE = 8
_SECONDS = 120
_CHARACTERS_PER_TOKEN = 3
_LONGEST_TOLD = 200
_EVENT = "data:"
_DONE = "[DONE]"


class OpenAIGenerator:
    """Greedy completions of chat messages over HTTP, several at a time.

    The bearer token, where the endpoint wants one, is ``$OPENAI_API_KEY``. What the model says is free text: as of any
    model without an adapter, what cannot be traced to a product is not shown.
    """

    only_quotes = False

    def __init__(self, address: str) -> None:
        """Prepare to ask.

        Args:
            address: Base address, up to and without ``/chat/completions``, with the model's name there after a ``#``:
                ``http://localhost:8000/v1#meta-llama/Llama-3.2-3B-Instruct``.

        Raises:
            UsageError: The address names no model, or is none.
        """
        import httpx2

        url, _, self._model = address.partition("#")
        if not self._model:
            raise UsageError(f"{address} names no model; add it after a #: {address}#MODEL.")
        self.name = f"{self._model} at {url}"
        key = os.environ.get("OPENAI_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS)
        except httpx2.InvalidURL as error:
            raise UsageError(f"{url!r} is no address: {str(error).rstrip('.')}.") from error

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return a cautious guess of the prompt's length: a token for every three characters."""
        return sum(len(message["content"]) for message in messages) // _CHARACTERS_PER_TOKEN

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        """Complete each prompt.

        Raises:
            GenerationError: The endpoint cannot be reached, refuses, or does not speak the protocol.
        """

        def complete(prompt: Prompt) -> Completion:
            with self._told():
                response = self._client.post("/chat/completions", json=self._request(prompt, max_new_tokens))
                response.raise_for_status()
                message = self._choices(response.json())[0]["message"]
                return Completion(str(message.get("content") or "").strip())

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(complete, prompts))

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        """Complete one prompt: its words piece by piece, then all of it. Closing the iterator ends the request.

        Raises:
            GenerationError: As of ``generate``.
        """
        text = ""
        request = self._request(prompt, max_new_tokens) | {"stream": True}
        with self._told(), self._client.stream("POST", "/chat/completions", json=request) as response:
            if response.is_error:
                response.read()
            response.raise_for_status()
            for line in response.iter_lines():
                event = line.removeprefix(_EVENT).strip()
                if not line.startswith(_EVENT) or event in ("", _DONE):
                    continue
                for choice in self._choices(json.loads(event)):
                    piece = choice["delta"].get("content") or ""
                    text += piece
                    yield piece
        yield Completion(text.strip())

    def _request(self, prompt: Prompt, max_new_tokens: int) -> dict[str, Any]:
        messages = list(prompt.messages)
        return {"model": self._model, "messages": messages, "max_tokens": max_new_tokens, "temperature": 0}

    def _choices(self, reply: Any) -> list[Any]:
        """Return what a reply offers: one choice, or none in an event that only counts tokens."""
        if "error" in reply and (error := reply["error"]):
            told = error.get("message", error) if isinstance(error, dict) else error
            raise GenerationError(f"{self.name} refused with {str(told)[:_LONGEST_TOLD]}")
        choices: list[Any] = reply["choices"]
        return choices

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what goes wrong into one sentence."""
        import httpx2

        try:
            yield
        except httpx2.HTTPStatusError as error:
            told = f"{error.response.status_code}: {error.response.text[:_LONGEST_TOLD]}"
            raise GenerationError(f"{self.name} refused with {told}") from error
        except httpx2.HTTPError as error:
            raise GenerationError(f"{self.name} cannot be reached: {error}.") from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise GenerationError(f"{self.name} does not speak the chat protocol.") from error
