"""Which sentences of a product matter for a question."""

from __future__ import annotations

from retrieval.query import Query
from retrieval.schema import Product
from retrieval.text import sentences, terms

_TITLE_TERM_DISCOUNT = 0.25


def select_sentences(query: Query, product: Product, max_words: int, max_sentences: int | None = None) -> list[str]:
    """Choose the sentences of a description that matter for a question.

    A sentence scores the sum of the weights of the question's terms in it. Terms that the title holds count a quarter:
    they found the product and tell its sentences little apart. Sentences are taken by score, earlier ones first among
    equals, as long as they fit; one longer than the whole allowance is cut to its best run of words.

    Args:
        query: The question, its terms weighted.
        product: The product.
        max_words: Words allowed in all.
        max_sentences: Sentences allowed; any number by default.

    Returns:
        Verbatim spans of the content, in its order, none cut inside a word; at least one.
    """
    in_title = set(terms(product.title))
    gain = {
        spelling: wanted.weight * (_TITLE_TERM_DISCOUNT if wanted.is_among(in_title) else 1.0)
        for wanted in query.wanted
        for spelling in wanted.spellings
    }
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
