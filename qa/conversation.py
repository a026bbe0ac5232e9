"""More than one question: asking back when several products fit equally, and going on from an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qa.answers import Answer
from retrieval.context import match
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.text import NUMBERS_SPELT_OUT, terms, words

if TYPE_CHECKING:
    from qa.engine import ProductQA

MOST_CANDIDATES = 4
_ALIKE = 0.5
"""Titles are alike from this share of common terms (Jaccard). It and the next were chosen on training questions."""
_AS_WELL = 0.95
"""A product fits as well as another from this share of its match."""
_ORDINALS = {
    place: number
    for number, places in enumerate(
        (("first", "primeiro", "primeira"), ("second", "segundo", "segunda"), ("third", "terceiro", "terceira"))
    )
    for spelling in places
    for place in terms(spelling)
}
_REFERS_BACK = re.compile(
    r"\b(?:it|its|it's|they|them|their|this|these|that one|the same|ele|ela|eles|elas|dele|dela|isso|isto)\b",
    re.IGNORECASE,
)
_PIECE_OF_A_NUMBER = 3
"""Characters of a number that may stand for a longer one: "k40" for "RTK40"."""
_DIGITS = {word: str(number) for number, word in enumerate(NUMBERS_SPELT_OUT, start=1) if word != "one"}
"""Numbers as titles have them. "One" is left out: it counts in few questions, and stands for a product in many."""
_FEWEST_WORDS_OF_A_NAME = 2
_SHARE_OF_A_NAME = 0.5


def lookalikes_named(query: Query, hits: Sequence[Hit]) -> tuple[Product, ...]:
    """Return which of the lookalikes that a search puts first a question may mean.

    They are the first hit and those, alike by title, that fit the question about as well; of these, the ones of which
    the question names the most by what the titles of the others don't hold.

    Args:
        query: The question.
        hits: What was found for it, best first.

    Returns:
        One product when the question tells them apart or nothing looks like the first hit; several when it must be
        asked back which one is meant; none when nothing was found.
    """
    if not hits:
        return ()
    first = hits[0].product
    title, needed = _terms_and_numbers(first.title), match(query, hits[0]) * _AS_WELL
    alike = [first]
    for hit in hits[1:MOST_CANDIDATES]:
        other = _terms_and_numbers(hit.product.title)
        if _ALIKE <= len(title & other) / len(title | other) < 1 and match(query, hit) >= needed:
            alike.append(hit.product)
    return _named(query, alike)


def ask_back(products: Sequence[Product]) -> str:
    """Say in a sentence or two what tells products apart, in words of their titles."""
    named = "; ".join(f"({number}) {_own_words(product, products)}" for number, product in enumerate(products, 1))
    return f"{len(products)} products fit equally: {named}. Which one do you mean?"


def meant_by(reply: Query, products: Sequence[Product]) -> tuple[Product, ...]:
    """Return the products that a reply names: by words that tell them apart, or by their place.

    Returns:
        One product when it is settled, else all that are still possible.
    """
    named = _named(reply, products)
    if len(named) < len(products):
        return named
    places = [_ORDINALS[term] for term in reply.terms if term in _ORDINALS]
    return (products[places[0]],) if places and places[0] < len(products) else named


def _named(query: Query, products: Sequence[Product]) -> tuple[Product, ...]:
    """Return the products of which a question names the most that not all have; all where it names nothing of that."""
    pieces = [number for number in _numbers(query.text) if len(number) >= _PIECE_OF_A_NUMBER]
    counts = {_DIGITS[word.lower()] for word in words(query.english) if word.lower() in _DIGITS}
    held = [
        sum(wanted.is_among(own) for wanted in query.wanted)
        + sum(piece in term for piece in pieces for term in own)
        + len(counts & own)
        for own in _own_terms(products)
    ]
    return tuple(product for product, count in zip(products, held, strict=True) if count == max(held))


class Chat:
    """A conversation about one product after another. See ``ProductQA.chat``."""

    def __init__(self, pipeline: ProductQA) -> None:
        """Begin a conversation."""
        self._pipeline = pipeline
        self.previous: Answer | None = None

    def ask(self, question: str) -> Answer:
        """Answer a question that may go on from the one before.

        A reply to a question asked back settles it. "And how heavy is it?" is asked of the product that was last
        spoken of, unless the question names another product itself.

        Raises:
            QuestionError: The question is empty or too long.
            GenerationError: The model failed; the conversation can go on.
        """
        goes_on = self.previous is not None and self._goes_on(question, self.previous)
        self.previous = self._pipeline.answer(question, previous=self.previous if goes_on else None)
        return self.previous

    def _goes_on(self, question: str, previous: Answer) -> bool:
        query = self._pipeline.index.query(question)
        if previous.status == "ambiguous":
            return len(meant_by(query, previous.candidates)) < len(previous.candidates)
        if previous.product is None or not _REFERS_BACK.search(question):
            return False
        found = self._pipeline.index.search_queries([query], 1)[0]
        return not (found and found[0].product != previous.product and _is_named(query, found[0].product))


def _is_named(query: Query, product: Product) -> bool:
    """Tell whether a question names a product: half of its title, or, of a long title, half of what it asks for."""
    title = set(terms(product.title))
    named = sum(1 for wanted in query.wanted if wanted.is_among(title))
    of_title = named >= _FEWEST_WORDS_OF_A_NAME and named >= _SHARE_OF_A_NAME * len(title)
    return of_title or (named > _FEWEST_WORDS_OF_A_NAME and query.coverage(title) >= _SHARE_OF_A_NAME)


def _own_terms(products: Sequence[Product]) -> list[set[str]]:
    """Return the terms of each product that not all of them have: those of the titles, or else of the contents."""
    for texts in ([product.title for product in products], [product.content for product in products]):
        held = [_terms_and_numbers(text) for text in texts]
        own = [mine - mine.intersection(*held) for mine in held]
        if any(own):
            return own
    return [set() for _ in products]


def _terms_and_numbers(text: str) -> set[str]:
    return set(terms(text)) | _numbers(text)


def _numbers(text: str) -> set[str]:
    """Return the words with a digit, as they are written: "1.5" is one word and two terms."""
    return {word.lower() for word in words(text) if any(map(str.isdigit, word))}


def _own_words(product: Product, products: Sequence[Product]) -> str:
    """Return the words of a title that not all titles have; the whole title where that leaves none."""
    common = set(terms(product.title)).intersection(*(terms(other.title) for other in products))
    own = [word for word in product.title.split() if not set(terms(word)) <= common]
    return " ".join(own).strip(" ,;:-–—") or product.title
