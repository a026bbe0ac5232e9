"""Fakes that carry meaning: an encoder whose cosine is word overlap, and a language model that copies."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import HTTPServer

import numpy as np
from numpy.typing import NDArray

from qa.decision import Decision
from qa.engine import ProductQA
from qa.generators.base import Completion, Generator, Prompt
from retrieval.context import Shown
from retrieval.encoder import EncoderIdentity, Vectors
from retrieval.evidence import NOTHING, Pair
from retrieval.index import HybridIndex
from retrieval.prompt import Message
from retrieval.query import parse_question
from retrieval.schema import Product
from retrieval.text import sentences, terms


class KeywordEncoder:
    """Gives each index term a dimension of its own (by hash), so that texts with common words are near each other."""

    def __init__(self, name: str = "keywords", dimension: int = 512) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.identity = EncoderIdentity(name, digest, dimension)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.identity.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for term in terms(text):
                vectors[row, int(hashlib.md5(term.encode()).hexdigest(), 16) % self.identity.dimension] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


class KeywordRanker:
    """Finds the answer in pieces that hold the question's terms beyond the title, and in any where there are none."""

    def score(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        return np.asarray([self._score(question, text) for question, text in pairs], dtype=np.float32)

    def _score(self, question: str, text: str) -> float:
        title, _, piece = text.partition(": ")
        if piece == NOTHING:
            return 1.5
        asked = set(parse_question(question).terms) - set(terms(title))
        if not piece:
            return -5.0
        return 3.0 * len(asked & set(terms(piece))) if asked else 3.0


_TELLS = [0, 0, 0, 0, 2, 0, 0]
DECISION = Decision({"matches": [40, 0, 0, 0, 0, 0, -9], "tells": _TELLS, "tells_on_page": _TELLS}, threshold=0.5)
"""Answers what the ranker finds an answer to; below a match of about a quarter there is no product."""


def pipeline_over(index: HybridIndex, generator: Generator | None, **options: int) -> ProductQA:
    """Return a pipeline with the fake ranker and its decision."""
    return ProductQA(index, generator, ranker=KeywordRanker(), decision=DECISION, **options)


def shown(product: Product, *spans: str) -> Shown:
    """Return a product with spans that answer all alike."""
    return Shown(product, spans, (0.0,) * (1 + len(spans)))


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Let a local server serve in a thread of its own for as long as the block runs."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ScriptedGenerator:
    """Says what it was told to say; by default the first sentence of the first product, if any."""

    name = "scripted"
    only_quotes = False

    def __init__(self, says: str | None = None, fails: Exception | None = None) -> None:
        self.says = says
        self.fails = fails
        self.prompts: list[Sequence[Message]] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message["content"].split()) for message in messages)

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        if self.fails is not None:
            raise self.fails
        self.prompts += [prompt.messages for prompt in prompts]
        return [self._completion(prompt) for prompt in prompts]

    def stream(self, prompt: Prompt, max_new_tokens: int) -> Iterator[str | Completion]:
        completion = self.generate([prompt], max_new_tokens)[0]
        words = completion.text.split(" ")
        yield words[0]
        yield from (f" {word}" for word in words[1:])
        yield completion

    def _completion(self, prompt: Prompt) -> Completion:
        text = self._says(prompt)
        return Completion(text, {"prompt": self.count_tokens(prompt.messages), "completion": len(text.split())})

    def _says(self, prompt: Prompt) -> str:
        if self.says is not None:
            return self.says
        return sentences(prompt.context[0].spans[0])[0] if prompt.context else "It is blue."
