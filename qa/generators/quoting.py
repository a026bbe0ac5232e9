"""Decoding that can only quote: a model chooses the product and the words, and cannot say others.

A completion is the number of a product and a run of whole words of one of the spans that are shown. The model reads
the prompt once; one more pass tells how probable each word is as the first of the answer, and a last one, over the
spans from the most probable of these on, how probable each run is. Of the runs that one is said which shares the most
words with the others, weighed by their probability: minimum Bayes risk (Kumar and Byrne, "Minimum Bayes-risk decoding
for statistical machine translation", NAACL 2004) for the F1 of words. Copying by construction is after De Cao et al.,
"Autoregressive entity retrieval", ICLR 2021, arXiv:2010.00904.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.context import Shown
from retrieval.prompt import MOST_QUOTED_WORDS, bare_end, encode_text, write_completion

if TYPE_CHECKING:
    import torch

BREADTH = 4
"""Places looked at from which a quote may begin."""
_LEAST_PROBABLE = -4.0
"""Places are not looked at whose log-probability is this much below the best one's."""


class Reader(Protocol):
    """A causal language model that has no words of its own."""

    def read(self, prompt: Sequence[int]) -> Any:
        """Run over a prompt; returns what ``log_probabilities`` goes on from."""

    def log_probabilities(self, state: Any, continuations: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return, for each continuation of a prompt, the log-probability of every token at each place.

        Returns:
            An array ``(continuations, longest + 1, vocabulary)``: before the first token, and after each.
        """


@dataclass(frozen=True, slots=True)
class _Span:
    """A span that may be quoted, taken apart.

    Attributes:
        number: Of its product.
        words: Its words.
        ids: The tokens of each word.
        lasts: How many of them stand where a quote ends with the word, its comma or full stop left out.
    """

    number: int
    words: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    lasts: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: Any, number: int, text: str) -> _Span:
        words = tuple(text.split(" "))
        ids = tuple(tuple(encode_text(tokenizer, f" {word}")) for word in words)
        bare = [tuple(encode_text(tokenizer, f" {bare_end(word)}")) for word in words]
        lasts = [len(b) if own[: len(b)] == b else len(own) for own, b in zip(ids, bare, strict=True)]
        return cls(number, words, ids, tuple(lasts))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A number, and a word of a span of that product: how a completion may begin."""

    number: int
    identifies: bool
    head: tuple[int, ...]
    span: int
    word: int


@dataclass(frozen=True, slots=True)
class _Run:
    """A completion that is possible, and its log-probability."""

    beginning: _Beginning
    end: int
    score: float


def quote(
    reader: Reader,
    tokenizer: Any,
    prompt: Sequence[int],
    context: Sequence[Shown],
    *,
    breadth: int = BREADTH,
) -> str:
    """Return the completion of a prompt that shows products: see the module.

    Args:
        reader: The model.
        tokenizer: Its tokenizer.
        prompt: Token ids.
        context: The products of the prompt.
        breadth: Places to look at from which a quote may begin.
    """
    spans = [
        _Span.of(tokenizer, number, text)
        for number, shown in enumerate(context, start=1)
        for text in (shown.product.title, *shown.spans)
    ]
    state = reader.read(prompt)
    beginnings = _probable_beginnings(reader, tokenizer, state, spans, breadth)
    runs = _runs(reader, state, spans, beginnings, tokenizer.eos_token_id)
    best = runs[_least_risky(runs)]
    said = " ".join(spans[best.beginning.span].words[best.beginning.word : best.end])
    return write_completion(best.beginning.number, bare_end(said), identifies=best.beginning.identifies)


def _probable_beginnings(
    reader: Reader, tokenizer: Any, state: Any, spans: Sequence[_Span], breadth: int
) -> list[_Beginning]:
    """Return the most probable beginnings, by their number and the first token of their word."""
    heads = [
        (number, identifies, tuple(encode_text(tokenizer, write_completion(number, "", identifies=identifies).strip())))
        for number in dict.fromkeys(span.number for span in spans)
        for identifies in (False, True)
    ]
    tables = reader.log_probabilities(state, [ids for _, _, ids in heads])
    found: list[tuple[float, _Beginning]] = []
    for (number, identifies, ids), table in zip(heads, tables, strict=True):
        said = sum(float(table[place, token]) for place, token in enumerate(ids))
        following = table[len(ids)].tolist()
        found += [
            (said + following[first[0]], _Beginning(number, identifies, ids, place, word))
            for place, span in enumerate(spans)
            if span.number == number
            for word, first in enumerate(span.ids)
        ]
    found.sort(key=lambda pair: -pair[0])
    return [beginning for score, beginning in found[:breadth] if score >= found[0][0] + _LEAST_PROBABLE]


def _runs(reader: Reader, state: Any, spans: Sequence[_Span], beginnings: Sequence[_Beginning], end: int) -> list[_Run]:
    """Return every run that begins at one of these places, with its log-probability."""
    kept = [spans[b.span].ids[b.word : b.word + MOST_QUOTED_WORDS] for b in beginnings]
    texts = [[*b.head, *chain.from_iterable(words)] for b, words in zip(beginnings, kept, strict=True)]
    runs: list[_Run] = []
    for beginning, words, text, table in zip(
        beginnings, kept, texts, reader.log_probabilities(state, texts), strict=True
    ):
        own = table[range(len(text)), text].tolist()
        ends = table[: len(text) + 1, end].tolist()
        at = len(beginning.head)
        for word, ids in enumerate(words, start=beginning.word):
            last = at + spans[beginning.span].lasts[word]
            runs.append(_Run(beginning, word + 1, sum(own[:last]) + ends[last]))
            at += len(ids)
    return runs


def _least_risky(runs: Sequence[_Run]) -> int:
    """Return the place of the run that shares the most words with all runs, weighed by their probability."""
    score = np.asarray([run.score for run in runs])
    weight = np.exp(score - score.max())
    span, start, end = (
        np.asarray(values) for values in zip(*((r.beginning.span, r.beginning.word, r.end) for r in runs), strict=True)
    )
    shared = np.minimum.outer(end, end) - np.maximum.outer(start, start)
    length = end - start
    f1: NDArray[np.float64] = 2 * np.maximum(shared, 0) / np.add.outer(length, length)
    gain = np.where(span[:, None] == span[None, :], f1, 0.0) @ weight
    return max(range(len(runs)), key=lambda place: (round(float(gain[place]), 9), score[place]))
