"""Which sentences of a product matter for a question."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from retrieval.schema import Product
from retrieval.text import sentences, terms

Weight = Callable[[str], float]
_TITLE_TERM_DISCOUNT = 0.25


def inverse_document_frequency(term_frequency: Callable[[str], int], documents: int) -> Weight:
    """Return the BM25 weight of terms: ln(1 + (N - df + 0.5) / (df + 0.5)), always positive.

    Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3, with Lucene's 1 +.

    Args:
        term_frequency: Gives the number of documents that hold a term.
        documents: Number of documents.
    """

    def weight(term: str) -> float:
        frequency = term_frequency(term)
        return math.log1p((documents - frequency + 0.5) / (frequency + 0.5))

    return weight


def select_sentences(
    question: Iterable[str], product: Product, weight: Weight, max_words: int, max_sentences: int | None = None
) -> list[str]:
    """Choose the sentences of a description that matter for a question.

    A sentence scores the sum of the weights of the question's terms in it. Terms that the title holds count a quarter:
    they found the product and tell its sentences little apart. Sentences are taken by score, earlier ones first among
    equals, as long as they fit; one longer than the whole allowance is cut to its best run of words.

    Args:
        question: Index terms of the question.
        product: The product.
        weight: Weight of an index term.
        max_words: Words allowed in all.
        max_sentences: Sentences allowed; any number by default.

    Returns:
        Verbatim spans of the content, in its order, none cut inside a word; at least one.
    """
    in_title = set(terms(product.title))
    gain = {term: weight(term) * (_TITLE_TERM_DISCOUNT if term in in_title else 1.0) for term in question}
    spans = [_best_run(sentence, gain, max_words) for sentence in sentences(product.content)]
    by_score = sorted(range(len(spans)), key=lambda i: (-_score(spans[i], gain), i))
    chosen: list[int] = []
    left = max_words
    for i in by_score:
        if len(chosen) == max_sentences:
            break
        length = len(spans[i].split())
        if length <= left:
            chosen.append(i)
            left -= length
    return [spans[i] for i in sorted(chosen)]


def _score(span: str, gain: dict[str, float]) -> float:
    return sum(gain.get(term, 0.0) for term in set(terms(span)))


def _best_run(sentence: str, gain: dict[str, float], max_words: int) -> str:
    """Return the best-scoring run of ``max_words`` words, of those that begin a quarter of a run apart."""
    pieces = sentence.split()
    if len(pieces) <= max_words:
        return sentence
    step = max(1, max_words // 4)
    starts = [*range(0, len(pieces) - max_words, step), len(pieces) - max_words]
    return max((" ".join(pieces[start : start + max_words]) for start in starts), key=lambda run: _score(run, gain))
