"""Words of shoppers and of listings: what carries no meaning, what decorates, and what people say instead."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from retrieval.text import terms

_TABLES = tomllib.loads(files(__package__).joinpath("wording.toml").read_text(encoding="utf-8"))


def word_list(name: str) -> frozenset[str]:
    """Return a list of words of ``wording.toml``."""
    return frozenset(_TABLES["words"][name].split())


def word_pairs(name: str) -> list[tuple[str, str]]:
    """Return a list of pairs of ``wording.toml``, in its order."""
    pairs = (pair.partition(":") for pair in _TABLES["slips"][name].split())
    return [(old, new) for old, _, new in pairs]


FUNCTION_WORDS = word_list("function")
"""English words that hold a sentence together."""
DECORATION = word_list("decoration")
"""Words that sellers add and shoppers leave out."""
COLOURS = word_list("colours")
"""Words that tell the variants of one product apart by colour."""
SIZES = word_list("sizes")
"""Words that tell the variants of one product apart by size, number or edition."""
ACTIONS = word_list("actions")
"""Verbs, in the third person, with which a listing says what a thing does."""
_WITHOUT_ARTICLE = word_list("without_article")


@cache
def other_words() -> dict[str, tuple[str, ...]]:
    """Return what people say instead, by the singular of a listing's word."""
    return {word: tuple(others) for word, others in _TABLES["said_instead"].items()}


@cache
def term_of(word: str) -> str:
    """Return the (first) index term of a word; empty for a word without letters and digits."""
    found = terms(word)
    return found[0] if found else ""


@cache
def _function_terms() -> frozenset[str]:
    return frozenset(term for word in FUNCTION_WORDS for term in terms(word)) | {"s", "t"}


def content_terms(text: str) -> frozenset[str]:
    """Return the index terms of a text that carry meaning."""
    return frozenset(terms(text)) - _function_terms()


def carries_meaning(word: str) -> bool:
    """Tell whether a word is neither a function word, nor a seller's decoration, nor an adverb."""
    low = word.lower()
    return low not in FUNCTION_WORDS and low not in DECORATION and not (low.endswith("ly") and len(low) > 4)


def is_code(word: str) -> bool:
    """Tell whether a word is a part number: letters among digits, or five digits and more.

    Short model numbers that people do say (``S3``, ``E27``, ``4G``, ``RW-2P``) are not codes from four characters down.
    """
    digits = sum(char.isdigit() for char in word)
    if digits >= 5:
        return True
    letters = sum(char.isalpha() for char in word)
    mixed = bool(digits and letters) and len(word) > 5 and not word[0].isdigit()
    return mixed or (letters == len(word) > 3 and word.isupper() and not set(word) & set("AEIOUY"))


def tells_variants_apart(word: str) -> bool:
    """Tell whether a word of a title names a colour, a size, a number, an edition or a model."""
    low = word.lower()
    return low in COLOURS or low in SIZES or any(char.isdigit() for char in word)


def article(phrase: str, noun: str) -> str:
    """Return ``a`` or ``an`` for a phrase, or nothing when its noun is a plural or a mass, or it begins with a number.

    Args:
        phrase: What the article stands before.
        noun: The phrase's noun, or a phrase that ends in it.
    """
    last = noun.split()[-1].lower()
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is"))
    if plural or last in _WITHOUT_ARTICLE or phrase[0].isdigit() or phrase.split()[0].lower() in FUNCTION_WORDS:
        return ""
    return "an" if phrase[0].lower() in "aeiou" else "a"


def joined(parts: Iterable[str]) -> str:
    """Join the parts of a question that are not empty."""
    return " ".join(part for part in parts if part)
