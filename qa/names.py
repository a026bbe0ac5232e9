"""Names in questions: what doesn't hold the name that a thing is called by isn't the thing; some ask for the name."""

from __future__ import annotations

import re

from retrieval.context import terms_held
from retrieval.query import Query, Wanted
from retrieval.schema import Product
from retrieval.snippet import beyond_title
from retrieval.text import NUMBERS_SPELT_OUT, terms

_LINK = r"(?:of|the|and|for|in|on|to|a|an|with|from|by|at|de|do|da|e)"
_CAPITAL = r"[A-Z][\w'’.-]*"
_NAME = re.compile(rf"\b{_CAPITAL}(?:\s+(?:{_LINK}\s+){{0,2}}{_CAPITAL})+")
_ORDINARY = re.compile(rf"\b(?!{_LINK}\b)[a-z]+\b")
"""A word without capitals, beside which capitals say something."""
_ASKS_FOR_ONE = re.compile(
    r"""^(?:i(?:'m|\ am|m)?\ )?(?:need|want|looking\ for|searching\ for|after)\ (?:an?|the|that|some|something)\b
    | \bdo\ (?:you|u|you\ guys)\ (?:have|sell|stock|carry)\b
    | \b(?:it|that|this|they)(?:'s|\ is|\ was)?\ called\b
    | \bwhich\ (?:one|book|novel|film|movie|album|record|game|toy)\b
    | \bforg[eo]t(?:ten)?\ (?:the|its)\ (?:name|title)\b
    | ^(?:eu\ )?(?:(?:(?:es)?t(?:ou|[ôo])\ )?procurando|procuro|quero|queria|preciso\ de)
      \ (?:algo|uma?|[ao]|aquel[ea])\b
    | \b(?:voc[eê]s|vcs?)\ (?:t[eê]m|vendem)\b | \bcomo\ (?:se\ )?chama\b | \bqual\ (?:[eé]\ )?o\ nome\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ONLY_REFERS = re.compile(
    r"(?:it|this|that|they|them|these|those|isso|isto|est[ea]|ess[ea]|el[ea])?"
    r"(?:\s*\b(?:all )?(?:about|for|exactly))?\W*",
    re.IGNORECASE,
)
"""What is left of "what is it?", "tell me about it" and "what is this for?" without their frames."""
_FEWEST_TERMS = 2
_ASKED_BY_NAME = 0.5
"""A question asks for something by its name if this share of its terms, by weight, stands in the name."""
_HELD_FROM = 0.7
"""A product holds a name from this share of the name's terms, by weight. Training questions chose both."""
_NUMBER = re.compile(r"\b([^\W\d_][\w'’]*),? ((?:[a-z]{1,3}-)?[a-z]*\d\w+|[a-z]+\d)\b", re.IGNORECASE)
"""A word and the number after it that may tell which of its kind is meant: "Galaxy S24", "pump F-150", "paint 18oz"."""
SPELT_OUT = {str(number): terms(word)[0] for number, word in enumerate(NUMBERS_SPELT_OUT, start=1)}
"""The index term of each number that has a word of its own."""
PIECE_OF_A_NUMBER = 3
"""Characters of a number that may stand for a longer one: "k40" for "RTK40"."""


def may_be_meant(query: Query, product: Product) -> bool:
    """Tell whether a product may be the one that a question calls by its name and by the number of its model."""
    return holds_the_name(query, product) and holds_the_number(query, product)


def holds_the_name(query: Query, product: Product) -> bool:
    """Tell whether a product may be what a question calls by its name; it may where the question names nothing.

    A name is a run of words with capitals, with small words between them: "Nice for Mice".
    """
    if not _ORDINARY.search(query.text):
        return True
    held = terms_held(product)
    everything = sum(wanted.weight for wanted in query.wanted)
    for name in _NAME.findall(query.text):
        said = set(terms(name))
        named = [wanted for wanted in query.wanted if wanted.is_among(said)]
        weight = sum(wanted.weight for wanted in named)
        if len(named) < _FEWEST_TERMS or weight < _ASKED_BY_NAME * everything:
            continue
        if sum(each.weight for each in named if _is_held(each, held)) < _HELD_FROM * weight:
            return False
    return True


def holds_the_number(query: Query, product: Product) -> bool:
    """Tell whether a product may be the model, edition or size that a question names after a word of its title.

    "Merrow 300" is not the Merrow 200. A number is held as it stands, spelt out, as the beginning or the end of a
    longer one, and written apart: "50w" by "50 Watt", "9x12" by "9 ft x 12 ft".
    """
    asked = {spelling for wanted in query.wanted for spelling in wanted.spellings}
    naming = asked & set(terms(product.title))
    numbers = [number for word, number in _NUMBER.findall(query.text) if naming & set(terms(word))]
    return all(_holds_number(product, _joined(number)) for number in numbers)


def asks_what_it_is(query: Query, product: Product) -> bool:
    """Tell whether a question asks what a product is: for nothing beyond its title, or what "it" is."""
    return not beyond_title(query, product) or bool(_ONLY_REFERS.fullmatch(query.phrases[-1]))


def asks_for_a_name(query: Query) -> bool:
    """Tell whether a question asks which product there is, or for its name: "looking for a", "what's it called"."""
    return bool(_ASKS_FOR_ONE.search(query.text))


def _is_held(wanted: Wanted, held: frozenset[str]) -> bool:
    """Tell whether a term is held, or, of a model's number, begins a longer one: "KT40" for "KT40BK"."""
    numbers = [spelling for spelling in wanted.spellings if any(map(str.isdigit, spelling))]
    return wanted.is_among(held) or any(term.startswith(number) for number in numbers for term in held)


def _holds_number(product: Product, number: str) -> bool:
    held = terms_held(product)
    apart = re.fullmatch(r"(\d+)(?:[a-z]{1,5}|x(\d+))?", number)
    if apart and all(_is_told(part, held) for part in apart.groups() if part):
        return True
    if len(number) >= PIECE_OF_A_NUMBER and any(term.startswith(number) or term.endswith(number) for term in held):
        return True
    if number.isdigit():
        return False
    digits = re.findall(rf"\d{{{PIECE_OF_A_NUMBER},}}", number)
    return number in _joined(f"{product.title} {product.content}") or (bool(digits) and held.issuperset(digits))


def _is_told(digits: str, held: frozenset[str]) -> bool:
    """Tell whether digits are held, alone, before a unit or spelt out."""
    return SPELT_OUT.get(digits) in held or any(re.fullmatch(rf"{digits}[a-z]*", term) for term in held)


def _joined(text: str) -> str:
    """Return the letters and digits of a text, in lower case."""
    return "".join(filter(str.isalnum, text.lower()))
