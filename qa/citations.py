"""Statements and their sources: what cannot be traced to a product's text is not said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from qa.answers import Citation, places
from retrieval.prompt import bare_end
from retrieval.schema import Product
from retrieval.snippet import pieces
from retrieval.text import NEGATION, is_ended, sentences, terms, words

_GLUE = """
    a an the and or of in on at to for from by with as is are was were be been being it its this that these those has
    have had do does can will would there which who you your their they he she his her also so than then such"""
_CLAUSE_END = re.compile(r"[;.!?](?=\s|$)|\bbut\b", re.IGNORECASE)
_REACH = 60
"""Characters over which a negation is taken to reach, within its clause."""
_LIST_MARK = re.compile(r"^(?:\[?\d{1,2}[\].):](?:\s+|$)|[-*\u2022]\s*)+")
_LITERAL = re.compile(r"\d")


def trace(statement: str, products: Sequence[Product]) -> Citation | None:
    """Find the span that supports a statement.

    A statement is supported by a sentence of a product when that sentence and the product's title hold all of its
    telling words (by stem; words with a digit and words inside the statement that begin with a capital must stand
    there literally), and when both negate the same, to the end of its clause, or nothing. Words like "the" and "is"
    need no support.

    Args:
        statement: One sentence.
        products: Where to look, in this order.

    Returns:
        The product and the supporting sentence, or the title where the title alone supports it; None without support.
    """
    needed = _telling(statement)
    if not needed:
        return None
    literal = _literal_words(statement)
    negated = _negated(statement)
    for product in products:
        title = set(terms(product.title))
        for span in (product.title, *sentences(product.content)):
            source = f"{product.title} {span}"
            if needed <= title | set(terms(span)) and literal <= set(words(source)) and negated == _negated(span):
                return Citation.of(product, span)
    return None


def supported(text: str, products: Sequence[Product], *, ended: bool = True) -> list[tuple[str, Citation]]:
    """Return the sentences of a text that can be traced, each once, with their sources.

    Args:
        text: What a model wrote.
        products: Where to look.
        ended: False while the model still writes: its last sentence is left out then. Of a text that has ended, a last
            sentence after others that lacks its full stop was cut off, and is left out too.
    """
    said = sentences(" ".join(text.split()))
    if said and (not ended or (len(said) > 1 and not is_ended(said[-1]))):
        said = said[:-1]
    found: dict[str, Citation] = {}
    for sentence in said:
        statement = _LIST_MARK.sub("", sentence)
        if statement and statement not in found and (citation := trace(statement, products)):
            found[statement] = citation
    return list(found.items())


def is_quote(said: str, product: Product) -> bool:
    """Tell whether words stand in a product's title or content, letter by letter, and nothing before negates them."""
    if not words(said):
        return False
    negated = [_is_negated(text, place) for text in (product.title, product.content) for place in places(said, text)]
    return bool(negated) and not any(negated)


def with_negation(span: str, product: Product) -> str:
    """Return a piece of a description; where the piece before negates it, the two together."""
    content = product.content
    place = next((place for place in places(span, content) if _is_negated(content, place)), None)
    if place is None:
        return span
    begin = content.rindex(pieces(content[:place])[-1], 0, place)
    return content[begin : place + len(span)]


def as_sentence(said: str) -> str:
    """Begin words with a capital, where that changes no name such as "iPhone", and end them with a full stop."""
    first = said.split(" ", 1)[0]
    begun = said[:1].upper() + said[1:] if first.islower() and first.isalpha() else said
    return begun if is_ended(begun) else f"{bare_end(begun)}."


def says_more_than(statement: str, known: Iterable[str]) -> bool:
    """Tell whether a statement holds a telling term that is not among the known ones."""
    return not _telling(statement) <= set(known)


def _negated(text: str) -> set[frozenset[str]]:
    """Return the telling words that each negation of a text negates: those up to the end of its clause."""
    clauses = _CLAUSE_END.split(text)
    return {frozenset(_telling(clause[no.end() :])) for clause in clauses for no in NEGATION.finditer(clause)}


def _is_negated(text: str, place: int) -> bool:
    """Tell whether shortly before a place in a text, in the same clause, there is a negation."""
    begun = text[place : place + 2].strip()  # enough to tell whether a sentence begins here
    *_, sentence = sentences(text[max(0, place - _REACH) : place] + begun + " ")
    return bool(NEGATION.search(_CLAUSE_END.split(sentence.removesuffix(begun))[-1]))


def _telling(statement: str) -> set[str]:
    return set(terms(statement)) - _glue()


def _literal_words(statement: str) -> set[str]:
    inside = words(statement)[1:]
    return {word for word in words(statement) if _LITERAL.search(word)} | {word for word in inside if word[0].isupper()}


@cache
def _glue() -> frozenset[str]:
    return frozenset(terms(_GLUE))
