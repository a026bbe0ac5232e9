"""More than one question: asking back when several products fit equally, and going on from an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qa.answers import Answer
from qa.names import PIECE_OF_A_NUMBER, SPELT_OUT
from retrieval.context import match, terms_held
from retrieval.lexical import inverse_document_frequency
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.text import NUMBERS_SPELT_OUT, sentences, terms, words

if TYPE_CHECKING:
    from qa.engine import ProductQA

MOST_CANDIDATES = 4
_ALIKE = 0.5
"""Titles are alike from this share of common terms (Jaccard). It and the next were chosen on training questions."""
_AS_WELL = 0.95
"""A product fits as well as another from this share of its match."""
_NUMBERS = {
    spelling: place for place in range(MOST_CANDIDATES) for spelling in (str(place + 1), NUMBERS_SPELT_OUT[place])
}
_ORDINALS = {
    spelling: place
    for place, spellings in (
        (0, "first 1st primeiro primeira"),
        (1, "second 2nd segundo segunda"),
        (2, "third 3rd terceiro terceira"),
        (3, "fourth 4th quarto quarta"),
        (-1, "last último última ultimo ultima"),
    )
    for spelling in spellings.split()
}
_PLACES = _NUMBERS | _ORDINALS
_NUMBER, _ORDINAL = (rf"({'|'.join(spellings)})\b" for spellings in (_NUMBERS, _ORDINALS))
_ONLY_A_NUMBER = re.compile(rf"{_NUMBER}(?:\s+please)?[.!]*", re.IGNORECASE)
_CERTAIN_PLACE = (
    re.compile(rf"(?:\((?=\w+\))|#|\b(?:option|number|choice|op[cç][aã]o|n[uú]mero)\s+){_NUMBER}", re.IGNORECASE),
    re.compile(rf"\b{_ORDINAL}(?:\s+one\b|\W*$)", re.IGNORECASE),
)
"""A place among the candidates, whatever their titles hold: "(2)", "option 2", "the second one"."""
_ANY_ORDINAL = re.compile(rf"\b{_ORDINAL}", re.IGNORECASE)
_CLAUSE_ENDS = re.compile(r"[,;]|\.\s|\b(?:but|mas)\b", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:not|no|nor|neither|without|except|\w+n['’]t|não|nao|nem|sem)\b", re.IGNORECASE)
_WORDS_OF_REPLIES = frozenset(
    terms(
        """please thanks thank yes yeah i'm i'd it's mean meant ask asking want like prefer take choose pick think
        option number choice neither nor without except don't doesn't isn't sorry
        por favor obrigado obrigada sim quero prefiro digo opção número sem nem"""
    )
).union(*map(terms, (*_PLACES, *NUMBERS_SPELT_OUT)))
_REFERS_BACK = re.compile(
    r"\b(?:it|its|it's|they|them|their|this|these|that one|the same|ele|ela|eles|elas|dele|dela|isso|isto)\b"
    r"|^\W*(?:(?:and|also)\b(?! (?:an?|some|any|do you)\b)|(?:what|how) about (?:the|its)\b"
    r"|e (?:[oa]s?|qua\w+|como|tem|é|serve)\b)",
    re.IGNORECASE,
)
_DIGITS = {term: number for number, term in SPELT_OUT.items() if term != "one"}
"""Numbers as titles have them. "One" is left out: it counts in few questions, and stands for a product in many."""
_EDGES = " ,;:.-–—"
_WORDS_OF_A_CONTENT = 6
"""Words of a content said to tell it from another; few enough for a short sentence."""


def lookalikes_named(query: Query, hits: Sequence[Hit]) -> tuple[Product, ...]:
    """Return which of the lookalikes that a search puts first a question may mean.

    They are the first hit and those, alike by title, that fit the question about as well; of these, the ones of which
    the question names the most by what the titles of the others don't hold, or the contents under an equal title.

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
        if len(title & other) < _ALIKE * len(title | other) or match(query, hit) < needed:
            continue
        if any(_own_terms([first, hit.product])):
            alike.append(hit.product)
    return _named(query, alike)


def ask_back(products: Sequence[Product]) -> str:
    """Say in a sentence or two what tells products apart: words of their titles, or of contents under one title."""
    named = "; ".join(f"({number}) {_own_words(product, products)}" for number, product in enumerate(products, 1))
    return f"{len(products)} products fit equally: {named}. Which one do you mean?"


def meant_by(reply: Query, products: Sequence[Product]) -> tuple[Product, ...]:
    """Return the products that a reply names, by words that tell them apart or by their place, and does not deny.

    A number alone names the one product that it tells from the others by title, or else a place.

    Returns:
        One product when it is settled, else all that are still possible.
    """
    if number := _ONLY_A_NUMBER.fullmatch(reply.text):
        place = _PLACES[number[1].lower()]
        titles = _beyond_common([product.title for product in products])
        held = [product for product, own in zip(products, titles, strict=True) if str(place + 1) in own]
        if len(held) == 1:
            return (held[0],)
        if place < len(products):
            return (products[place],)
    said, denied = (_chosen(part, products) for part in _said_and_denied(reply, products))
    return tuple(product for product in said if product not in denied) or said


def is_reply(said: Query, asked: Query, products: Sequence[Product]) -> bool:
    """Tell whether what is said replies to a question asked back: it names some of the products, and nothing else.

    Nothing else is what the titles hold, what tells the products apart, the words of both questions, numbers, and what
    one says in replying.
    """
    titles = " ".join(product.title for product in products)
    known = _WORDS_OF_REPLIES.union(asked.terms, terms(titles), terms(ask_back(products)), *_own_terms(products))
    foreign = [wanted for wanted in said.wanted if not wanted.is_among(known) and not _numbers(wanted.spellings[0])]
    return not foreign and len(meant_by(said, products)) < len(products)


def _said_and_denied(reply: Query, products: Sequence[Product]) -> tuple[Query, Query]:
    """Split a reply: "the red one, not the blue one". A word of denial that a title holds is a name there."""
    in_titles = {word.lower() for product in products for word in words(product.title)}
    said, denied = [], []
    for clause in _CLAUSE_ENDS.split(reply.text):
        denial = _DENIAL.search(clause)
        if denial is None or denial[0].lower() in in_titles:
            said.append(clause)
        else:
            said.append(clause[: denial.start()])
            denied.append(clause[denial.end() :])
    return _part(reply, ", ".join(said)), _part(reply, ", ".join(denied))


def _part(query: Query, text: str) -> Query:
    held = set(terms(text))
    return replace(query, text=text, wanted=tuple(wanted for wanted in query.wanted if wanted.is_among(held)))


def _chosen(part: Query, products: Sequence[Product]) -> tuple[Product, ...]:
    """Return what a part of a reply names: a place said as such, own words, or else any ordinal; all where nothing."""
    for place in _CERTAIN_PLACE:
        if at_place := _at_place(place.search(part.text), products):
            return at_place
    named = _named(part, products)
    if len(named) < len(products):
        return named
    return _at_place(_ANY_ORDINAL.search(part.text), products) or named


def _at_place(said: re.Match[str] | None, products: Sequence[Product]) -> tuple[Product, ...]:
    if said is None or _PLACES[said[1].lower()] >= len(products):
        return ()
    return (products[_PLACES[said[1].lower()]],)


def _named(query: Query, products: Sequence[Product]) -> tuple[Product, ...]:
    """Return the products of which a question names the most that not all have; all where it names nothing of that."""
    pieces = [number for number in _numbers(query.text) if len(number) >= PIECE_OF_A_NUMBER]
    counts = {_DIGITS[term] for term in query.terms if term in _DIGITS}
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

        A reply to a question asked back settles it; what speaks of anything else is a new question. "How heavy is it?"
        and "and how many pages?" are asked of the product that was last spoken of, unless they name another product.

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
            return is_reply(query, self._pipeline.index.query(previous.question), previous.candidates)
        if previous.product is None or not _REFERS_BACK.search(question):
            return False
        found = self._pipeline.index.search_queries([query], 1)[0]
        return not (found and self._is_named(query, found[0].product, previous.product))

    def _is_named(self, query: Query, other: Product, spoken_of: Product) -> bool:
        """Tell whether a question names another product than the one spoken of.

        The words of it that stand in the other's title and nowhere in the one spoken of tell as much, together, as a
        word that one product alone holds: "the zimbra machine".
        """
        title, held = set(terms(other.title)), terms_held(spoken_of)
        names = [wanted for wanted in query.wanted if wanted.is_among(title) and not wanted.is_among(held)]
        of_one_product = inverse_document_frequency(lambda _: 1, len(self._pipeline.index))
        return sum(wanted.weight for wanted in names) >= of_one_product("")


def _own_terms(products: Sequence[Product]) -> list[set[str]]:
    """Return what tells each product from the others: terms of its title, and of its content under an equal title."""
    own = _beyond_common([product.title for product in products])
    for terms_of_one, product in zip(own, products, strict=True):
        if others := _of_equal_title(product, products):
            terms_of_one |= _beyond_common([each.content for each in (product, *others)])[0]
    return own


def _beyond_common(texts: Sequence[str]) -> list[set[str]]:
    """Return the terms of each text that not all of them have."""
    held = [_terms_and_numbers(text) for text in texts]
    return [mine - mine.intersection(*held) for mine in held]


def _of_equal_title(product: Product, products: Sequence[Product]) -> list[Product]:
    """Return the others whose titles have the same terms in the same order."""
    title = terms(product.title)
    return [other for other in products if other != product and terms(other.title) == title]


def _terms_and_numbers(text: str) -> set[str]:
    return set(terms(text)) | _numbers(text)


def _numbers(text: str) -> set[str]:
    """Return the words with a digit, as they are written: "1.5" is one word and two terms."""
    return {word.lower() for word in words(text) if any(map(str.isdigit, word))}


def _own_words(product: Product, products: Sequence[Product]) -> str:
    """Return the words of a title that not all titles have, then, under an equal title, the first own of the content.

    The whole title where that leaves none.
    """
    common = set(terms(product.title)).intersection(*(terms(other.title) for other in products))
    own = " ".join(word for word in product.title.split() if not set(terms(word)) <= common)
    others = _of_equal_title(product, products)
    told = (own, _first_own_words(product.content, [other.content for other in others]) if others else "")
    return ", ".join(filter(None, (each.strip(_EDGES) for each in told))) or product.title


def _first_own_words(text: str, others: Sequence[str]) -> str:
    """Return the first word of a text that not all others have, and what follows it in its sentence; a few words."""
    common = set(terms(text)).intersection(*map(terms, others))
    for sentence in sentences(text):
        written = sentence.split()
        for place, word in enumerate(written):
            if not set(terms(word)) <= common:
                return " ".join(written[place : place + _WORDS_OF_A_CONTENT])
    return ""
