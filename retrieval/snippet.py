"""Which parts of a description matter for a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from textwrap import wrap

from retrieval.query import Query, Wanted
from retrieval.schema import Product
from retrieval.text import NEGATION, is_abbreviated, is_ended, sentences, terms

PIECE_WORDS = 35
_CLAUSE_ENDS = ",;:.)–—"
_PIECE_CHARACTERS = 400
_BULLETS = ("•", "*")
_HEADING_END = re.compile(r"(?<=:)(?=\s|$)|\s(?=[•*]\s)")
_MOST_CANDIDATES = 16
_LEAD_WEIGHT = 0.3


def pieces(content: str) -> list[str]:
    """Split a description into sentences, and those beyond 35 words into clauses.

    Nothing is cut from a word before it that negates it, and no question from its answer. Of a list whose heading
    negates, "Does not contain: …", what is beyond 35 words is left out.

    Returns:
        Verbatim spans of the content, in its order, none cut inside a word but those beyond 400 characters.
    """
    found: list[str] = []
    for statement in _statements(content):
        written = statement.split()
        if _is_negated_list(statement):
            written = written[:PIECE_WORDS]
        start = 0
        while len(written) - start > PIECE_WORDS:
            end = _clause_end(written, start)
            found.append(" ".join(written[start:end]))
            start = end
        found.append(" ".join(written[start:]))
    return [part for piece in found for part in wrap(piece, _PIECE_CHARACTERS, break_on_hyphens=False)]


def _statements(content: str) -> list[str]:
    """Split into sentences, a question joined with what follows it and a heading that negates with its list.

    Of such a list no more is kept than fills a piece.
    """
    found: list[str] = []
    last, end = "", 0
    for sentence in sentences(content):
        begin = content.index(sentence, end)
        if last and content[end:begin] == " " and _belong_together(found[-1], last, sentence):
            if len(found[-1].split()) < PIECE_WORDS:
                found[-1] = f"{found[-1]} {sentence}"
        else:
            found.append(sentence)
        last, end = sentence, begin + len(sentence)
    return found


def _belong_together(before: str, last: str, after: str) -> bool:
    """Tell whether a sentence belongs to the statement before it, whose last sentence is given too."""
    if last.endswith("?"):
        return len(before.split()) + len(after.split()) <= PIECE_WORDS
    is_listed = last.endswith((":", ";")) or after.startswith(_BULLETS)
    return is_listed and not is_ended(last) and _is_negated_list(f"{before} {after}"[: len(before) + 3])


def _is_negated_list(text: str) -> bool:
    """Tell whether a text is a heading that negates, with a part of its list."""
    end = _HEADING_END.search(text)
    return end is not None and not text.startswith(_BULLETS) and bool(NEGATION.search(text, 0, end.start()))


def _clause_end(written: Sequence[str], start: int) -> int:
    """Return where a piece of at most 35 words ends: behind a clause, or else before a word that negates the next."""
    for end in range(start + PIECE_WORDS // 2 + 1, start + PIECE_WORDS):
        if written[end - 1][-1] in _CLAUSE_ENDS and not is_abbreviated(written[end - 1]):
            return end
    last = start + PIECE_WORDS
    return next((place for place in range(last - 3, last) if NEGATION.search(written[place])), last)


def candidates(query: Query, product: Product) -> list[str]:
    """Return what may answer a question: the title, and the sixteen most promising pieces of the description.

    A piece is promising by the share of the question's terms beyond the title that it holds, by weight, and a little
    by standing early.

    Returns:
        Verbatim spans: the title, then pieces in the order of the content.
    """
    beyond = replace(query, wanted=beyond_title(query, product))
    scores: dict[str, float] = {}
    told = [piece for piece in dict.fromkeys(pieces(product.content)) if piece != product.title]
    for place, piece in enumerate(told):
        scores[piece] = beyond.coverage(set(terms(piece))) + _LEAD_WEIGHT / (1 + place)
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


def beyond_title(query: Query, product: Product) -> tuple[Wanted, ...]:
    """Return what a question asks for beyond a product's title; nothing when it asks what the product is."""
    title = set(terms(product.title))
    return tuple(wanted for wanted in query.wanted if not wanted.is_among(title))
