"""Statements and their sources: what cannot be traced to a product's text is not said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from qa.answers import Citation
from retrieval.prompt import bare_end
from retrieval.schema import Product
from retrieval.text import is_ended, sentences, terms, words

_GLUE = """
    a an the and or of in on at to for from by with as is are was were be been being it its this that these those has
    have had do does can will would there which who you your their they he she his her also so than then such"""
_NEGATION = re.compile(r"\b(?:no|not|never|none|neither|nor|without|cannot|\w+n['\u2019]t)\b", re.IGNORECASE)
_LIST_MARK = re.compile(r"^(?:\[?\d{1,2}[\].):](?:\s+|$)|[-*\u2022]\s*)+")
_LITERAL = re.compile(r"\d")


def trace(statement: str, products: Sequence[Product]) -> Citation | None:
    """Find the span that supports a statement.

    A statement is supported by a sentence of a product when that sentence and the product's title hold all of its
    telling words (by stem; words with a digit and words inside the statement that begin with a capital must stand
    there literally), and when both or neither of them negate. Words like "the" and "is" need no support.

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
    negated = bool(_NEGATION.search(statement))
    for product in products:
        title = set(terms(product.title))
        for span in (product.title, *sentences(product.content)):
            source = f"{product.title} {span}"
            if (
                needed <= title | set(terms(span))
                and literal <= set(words(source))
                and negated == bool(_NEGATION.search(span))
            ):
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
    """Tell whether words stand in a product's title or content, letter by letter."""
    return bool(said) and (said in product.title or said in product.content)


def as_sentence(said: str) -> str:
    """Begin words with a capital, where that changes no name such as "iPhone", and end them with a full stop."""
    first = said.split(" ", 1)[0]
    begun = said[:1].upper() + said[1:] if first.islower() and first.isalpha() else said
    return begun if is_ended(begun) else f"{bare_end(begun)}."


def says_more_than(statement: str, known: Iterable[str]) -> bool:
    """Tell whether a statement holds a telling term that is not among the known ones."""
    return not _telling(statement) <= set(known)


def _telling(statement: str) -> set[str]:
    return set(terms(statement)) - _glue()


def _literal_words(statement: str) -> set[str]:
    inside = words(statement)[1:]
    return {word for word in words(statement) if _LITERAL.search(word)} | {word for word in inside if word[0].isupper()}


@cache
def _glue() -> frozenset[str]:
    return frozenset(terms(_GLUE))
