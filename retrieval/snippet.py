"""Which parts of a description matter for a question."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.query import Query, Wanted
from retrieval.schema import Product
from retrieval.text import sentences, terms

PIECE_WORDS = 25
_CLAUSE_ENDS = ",;:.)–—"
_PIECES_COMPARED = 16
_COSINE_WEIGHT = 1.5
_LEAD_WEIGHT = 0.3
_TITLE_TERM_DISCOUNT = 0.25


def pieces(content: str) -> list[str]:
    """Split a description into sentences, and those beyond 25 words into clauses.

    Returns:
        Verbatim spans of the content, in its order, none cut inside a word.
    """
    found: list[str] = []
    for sentence in sentences(content):
        start = 0
        written = sentence.split()
        for end, word in enumerate(written, start=1):
            length = end - start
            if length == PIECE_WORDS or (2 * length >= PIECE_WORDS and word[-1] in _CLAUSE_ENDS):
                found.append(" ".join(written[start:end]))
                start = end
        if start < len(written):
            found.append(" ".join(written[start:]))
    return found


def promising_pieces(query: Query, product: Product) -> dict[str, float]:
    """Cut a description into pieces, and score those that are worth comparing with the question by their meaning.

    A piece scores the share of the question's terms beyond the title that it holds, by weight, and a little for
    standing early.

    Returns:
        The sixteen best pieces with their scores, in the order of the content.
    """
    asked = beyond_title(query, product)
    total = sum(wanted.weight for wanted in asked) or 1.0
    scores: dict[str, float] = {}
    for place, piece in enumerate(dict.fromkeys(pieces(product.content))):
        held = set(terms(piece))
        share = sum(wanted.weight for wanted in asked if wanted.is_among(held)) / total
        scores[piece] = share + _LEAD_WEIGHT / (1 + place)
    kept = sorted(scores, key=scores.__getitem__, reverse=True)[:_PIECES_COMPARED]
    return {piece: score for piece, score in scores.items() if piece in kept}


def select_pieces(content: str, scores: dict[str, float], cosines: Sequence[float], max_words: int) -> tuple[str, ...]:
    """Choose the pieces of a description to show beside a question.

    Pieces are taken by score and cosine to the question, as long as they fit. The weights were chosen on training
    questions by how often the evidence is shown: see docs/log.md.

    Args:
        content: The description.
        scores: Pieces of it with their scores, in its order.
        cosines: Each piece's cosine to the question.
        max_words: Words allowed in all; at least those of one piece.

    Returns:
        Verbatim spans of the content in its order; neighbours are joined. At least one.
    """
    found = list(scores)
    together = [score + _COSINE_WEIGHT * cosine for score, cosine in zip(scores.values(), cosines, strict=True)]
    spans: list[str] = []
    for place in sorted(_take(found, together, max(max_words, PIECE_WORDS))):
        joined = f"{spans[-1]} {found[place]}" if spans else ""
        if joined and joined in content:
            spans[-1] = joined
        else:
            spans.append(found[place])
    return tuple(spans)


def select_sentences(query: Query, product: Product, max_words: int, max_sentences: int | None = None) -> list[str]:
    """Choose the sentences of a description to quote for a question.

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
    chosen = _take(spans, [_score(span, gain) for span in spans], max_words, max_sentences)
    return [spans[place] for place in sorted(chosen)]


def beyond_title(query: Query, product: Product) -> list[Wanted]:
    """Return what a question asks for beyond a product's title; nothing when it asks what the product is."""
    title = set(terms(product.title))
    return [wanted for wanted in query.wanted if not wanted.is_among(title)]


def _take(spans: Sequence[str], scores: Sequence[float], max_words: int, max_spans: int | None = None) -> set[int]:
    """Return the places of the best spans that fit together, earlier ones first among equals."""
    chosen: set[int] = set()
    left = max_words
    for place in sorted(range(len(spans)), key=lambda i: (-scores[i], i)):
        length = len(spans[place].split())
        if length <= left and len(chosen) != max_spans:
            chosen.add(place)
            left -= length
    return chosen


def _score(span: str, gain: dict[str, float]) -> float:
    return sum(gain.get(term, 0.0) for term in set(terms(span)))


def _best_run(sentence: str, gain: dict[str, float], max_words: int) -> str:
    """Return the best-scoring run of ``max_words`` words, of those that begin a quarter of a run apart."""
    written = sentence.split()
    if len(written) <= max_words:
        return sentence
    step = max(1, max_words // 4)
    starts = [*range(0, len(written) - max_words, step), len(written) - max_words]
    return max((" ".join(written[start : start + max_words]) for start in starts), key=lambda run: _score(run, gain))
