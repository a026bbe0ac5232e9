"""Decoding that can only quote: a model chooses the product and the place, and cannot say other words.

Spans that answer about as well as the best one, as the evidence ranker sees it, are open to choice. The model has
learned to complete a prompt with the number of a product and a run of whole words. It reads the prompt once, and with
it how probable each word is as the first of the answer; a second pass, over the spans from the most probable of these
on, tells how probable each run is. The run that shares the most words with all others, weighed by their probability,
has the least risk: minimum Bayes risk (Kumar and Byrne, "Minimum Bayes-risk decoding for statistical machine
translation", NAACL 2004) for the F1 of words. What is said is the whole span around it: a small model finds the place,
and cuts it wrongly (see docs/log.md). Copying by construction is after De Cao et al., "Autoregressive entity
retrieval", ICLR 2021, arXiv:2010.00904. The form of the completion, whether it answers or says which product it is, is
decided by its probability before any word is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.generators.reading import Read, Reader, Table
from retrieval.context import Shown
from retrieval.prompt import MOST_QUOTED_WORDS, bare_end, encode_texts, write_completion

AS_WELL = 0.25
"""Spans within these log-odds of the best are open to choice. Development questions chose this value and the next."""
IDENTIFIES_FROM = 0.2
"""The probability, before any word is said, from which a question is taken to ask which product it is."""
BREADTH = 4
"""Places looked at from which a quote may begin."""
_LEAST_PROBABLE = -4.0
"""Places are not looked at whose log-probability is this much below the best one's."""


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
    def of(cls, number: int, text: str, tokens: Mapping[str, tuple[int, ...]]) -> _Span:
        words = tuple(text.split(" "))
        ids = tuple(tokens[word] for word in words)
        bare = [tokens[bare_end(word)] for word in words]
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
    spans = _spans(tokenizer, context)
    heads = _heads(tokenizer, len(context))
    read, tables = reader.read(prompt, [ids for _, _, ids in heads])
    said = [
        sum(float(table[at, token]) for at, token in enumerate(ids))
        for (_, _, ids), table in zip(heads, tables, strict=True)
    ]
    beginnings = _probable_beginnings(heads, said, tables, spans, breadth)
    runs = _runs(reader, read, spans, beginnings, tokenizer.eos_token_id)
    best = spans[runs[_least_risky(runs)].beginning.span]
    identifies = _probability_of_identifying(heads, said) >= IDENTIFIES_FROM
    return write_completion(best.number, " ".join(best.words), identifies=identifies)


def _spans(tokenizer: Any, context: Sequence[Shown]) -> list[_Span]:
    """Return what may be quoted: titles and spans that answer about as well as the best of them."""
    least = max(odds for shown in context for odds in shown.odds) - AS_WELL
    texts = [
        (number, text)
        for number, shown in enumerate(context, start=1)
        for text, odds in zip((shown.product.title, *shown.spans), shown.odds, strict=True)
        if odds >= least
    ]
    words = list({form: None for _, text in texts for word in text.split(" ") for form in (word, bare_end(word))})
    tokens = dict(zip(words, map(tuple, encode_texts(tokenizer, [f" {word}" for word in words])), strict=True))
    return [_Span.of(number, text, tokens) for number, text in texts]


def _heads(tokenizer: Any, products: int) -> list[tuple[int, bool, tuple[int, ...]]]:
    """Return the number, the form and the tokens of what stands before the words of a completion."""
    forms = [(number, identifies) for number in range(1, products + 1) for identifies in (False, True)]
    written = [write_completion(number, "", identifies=identifies).strip() for number, identifies in forms]
    ids = encode_texts(tokenizer, written)
    return [(*form, tuple(of_it)) for form, of_it in zip(forms, ids, strict=True)]


def _probable_beginnings(
    heads: Sequence[tuple[int, bool, tuple[int, ...]]],
    said: Sequence[float],
    tables: Sequence[Table],
    spans: Sequence[_Span],
    breadth: int,
) -> list[_Beginning]:
    """Return the most probable beginnings, by their number and the first token of their word."""
    found: list[tuple[float, _Beginning]] = []
    for (number, identifies, ids), of_head, table in zip(heads, said, tables, strict=True):
        following = table[len(ids)]
        found += [
            (of_head + float(following[first[0]]), _Beginning(number, identifies, ids, place, word))
            for place, span in enumerate(spans)
            if span.number == number
            for word, first in enumerate(span.ids)
        ]
    found.sort(key=lambda pair: -pair[0])
    return [beginning for score, beginning in found[:breadth] if score >= found[0][0] + _LEAST_PROBABLE]


def _runs(reader: Reader, read: Read, spans: Sequence[_Span], beginnings: Sequence[_Beginning], end: int) -> list[_Run]:
    """Return every run that begins at one of these places, with its log-probability."""
    kept = [spans[b.span].ids[b.word : b.word + MOST_QUOTED_WORDS] for b in beginnings]
    texts = [[*b.head, *chain.from_iterable(words)] for b, words in zip(beginnings, kept, strict=True)]
    _, tables = reader.read((), texts, read)
    runs: list[_Run] = []
    for beginning, words, text, table in zip(beginnings, kept, texts, tables, strict=True):
        own = table[range(len(text)), text].tolist()
        ends = table[:, end].tolist()
        at = len(beginning.head)
        for word, ids in enumerate(words, start=beginning.word):
            last = at + spans[beginning.span].lasts[word]
            runs.append(_Run(beginning, word + 1, sum(own[:last]) + ends[last]))
            at += len(ids)
    return runs


def _probability_of_identifying(heads: Sequence[tuple[int, bool, tuple[int, ...]]], said: Sequence[float]) -> float:
    """Return how probable the forms are that say which product it is, among all, from their log-probabilities."""
    weights = np.exp(np.asarray(said) - max(said))
    return float(weights @ [identifies for _, identifies, _ in heads] / weights.sum())


def _least_risky(runs: Sequence[_Run]) -> int:
    """Return the place of the run that shares the most words with all runs, weighed by their probability."""
    score = np.asarray([run.score for run in runs])
    weights: NDArray[np.float64] = np.exp(score - score.max())
    span, start, end = (
        np.asarray(values) for values in zip(*((r.beginning.span, r.beginning.word, r.end) for r in runs), strict=True)
    )
    shared = np.minimum.outer(end, end) - np.maximum.outer(start, start)
    length = end - start
    f1: NDArray[np.float64] = 2 * np.maximum(shared, 0) / np.add.outer(length, length)
    gain = np.where(span[:, None] == span[None, :], f1, 0.0) @ weights
    return max(range(len(runs)), key=lambda place: (round(float(gain[place]), 9), weights[place]))
