"""Which parts of a description matter for a question."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.query import Query, Wanted
from retrieval.schema import Product
from retrieval.text import sentences, terms

PIECE_WORDS = 35
_CLAUSE_ENDS = ",;:.)–—"
_MOST_CANDIDATES = 16
_LEAD_WEIGHT = 0.3


def pieces(content: str) -> list[str]:
    """Split a description into sentences, and those beyond 35 words into clauses.

    Returns:
        Verbatim spans of the content, in its order, none cut inside a word.
    """
    found: list[str] = []
    for sentence in sentences(content):
        start = 0
        written = sentence.split()
        for end, word in enumerate(written, start=1):
            length = end - start
            whole = start == 0 and len(written) <= PIECE_WORDS
            if not whole and (length == PIECE_WORDS or (2 * length >= PIECE_WORDS and word[-1] in _CLAUSE_ENDS)):
                found.append(" ".join(written[start:end]))
                start = end
        if start < len(written):
            found.append(" ".join(written[start:]))
    return found


def candidates(query: Query, product: Product) -> list[str]:
    """Return what may answer a question: the title, and the sixteen most promising pieces of the description.

    A piece is promising by the share of the question's terms beyond the title that it holds, by weight, and a little
    by standing early.

    Returns:
        Verbatim spans: the title, then pieces in the order of the content.
    """
    asked = beyond_title(query, product)
    total = sum(wanted.weight for wanted in asked) or 1.0
    scores: dict[str, float] = {}
    for place, piece in enumerate(dict.fromkeys(pieces(product.content))):
        held = set(terms(piece))
        share = sum(wanted.weight for wanted in asked if wanted.is_among(held)) / total
        scores[piece] = share + _LEAD_WEIGHT / (1 + place)
    kept = sorted(scores, key=scores.__getitem__, reverse=True)[:_MOST_CANDIDATES]
    return [product.title, *(piece for piece in scores if piece in kept)]


def take_best(spans: Sequence[str], scores: Sequence[float], max_words: int) -> tuple[str, ...]:
    """Take the best spans that fit together, best first, earlier ones first among equals.

    Args:
        spans: Verbatim spans of a description.
        scores: One for each.
        max_words: Words allowed in all; at least those of one piece.

    Returns:
        At least one of the spans, where there is one.
    """
    best_first = [spans[place] for place in sorted(range(len(spans)), key=lambda i: (-scores[i], i))]
    return take_first(best_first, max(max_words, PIECE_WORDS))


def take_first(spans: Sequence[str], max_words: int) -> tuple[str, ...]:
    """Take the first spans that fit together; one that does not makes room for the next.

    Args:
        spans: Verbatim spans of a description.
        max_words: Words allowed in all.
    """
    taken: list[str] = []
    for span in spans:
        length = len(span.split())
        if length <= max_words:
            taken.append(span)
            max_words -= length
    return tuple(taken)


def lead(content: str, max_words: int, spans: Sequence[str] = ()) -> tuple[str, ...]:
    """Take the first pieces of a description, as many as fit beside spans of it that are taken anyway.

    Returns:
        Verbatim spans in the order of the content; at least one.
    """
    taken = list(spans)
    left = max_words - sum(len(span.split()) for span in taken)
    found = pieces(content)
    for piece in found:
        if piece in taken:
            continue
        left -= len(piece.split())
        if left < 0:
            break
        taken.append(piece)
    return tuple(sorted(taken or found[:1], key=content.find))


def beyond_title(query: Query, product: Product) -> list[Wanted]:
    """Return what a question asks for beyond a product's title; nothing when it asks what the product is."""
    title = set(terms(product.title))
    return [wanted for wanted in query.wanted if not wanted.is_among(title)]
