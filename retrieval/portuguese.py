"""Portuguese questions over an English catalogue: a shopping lexicon gives the English words to look for."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from retrieval.text import words

LEXICON = Path(__file__).parent / "tuned" / "portuguese.tsv"
_LONGEST_ENTRY = 3
_ALTERNATIVE = "|"
_PORTUGUESE = """
    o os um uma uns umas de do da dos das em num numa no na nos nas por para pra pro pras pros com sem que qual quais
    quem como quando onde quanto quanta quantos quantas e ao aos pelo pela pelos pelas se ou mas mais tem vem foi sao
    esta esse essa este aquele aquela aqueles aquelas isso seu sua meu minha ele ela eles elas voce voces nao ja ate
    eh sobre"""
_ENGLISH = """
    the of is are was were what which who how does did can and or for with in on it its this that my your i you to be
    has have any there from at by if will"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or expression of a question and its English alternatives; none for what the lexicon does not hold."""

    said: str
    english: tuple[str, ...]


def is_portuguese(text: str) -> bool:
    """Tell whether a question is Portuguese.

    It has more Portuguese function words than English ones, and a third of its words, but at least two, are such words
    or stand in the lexicon.
    """
    said = [fold(word) for word in words(text)]
    portuguese = sum(word in _function_words(_PORTUGUESE) for word in said)
    english = sum(word in _function_words(_ENGLISH) for word in said)
    known = sum(word in _lexicon() for word in said)
    return portuguese > english and portuguese + known >= max(2, len(said) // 3)


def entries(text: str) -> list[Entry]:
    """Look up a question, the longest expressions first, its Portuguese function words left out."""
    said = words(text)
    found: list[Entry] = []
    place = 0
    while place < len(said):
        for length in range(min(_LONGEST_ENTRY, len(said) - place), 0, -1):
            expression = " ".join(said[place : place + length])
            english = _lexicon().get(fold(expression), ())
            if english or length == 1:
                if english or fold(expression) not in _function_words(_PORTUGUESE):
                    found.append(Entry(expression, english))
                place += length
                break
    return found


def fold(text: str) -> str:
    """Return text in lower case without accents."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@cache
def _function_words(language: str) -> frozenset[str]:
    return frozenset(language.split())


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    with LEXICON.open(encoding="utf-8") as lines:
        pairs = (line.rstrip("\n").split("\t") for line in lines)
        return {said: tuple(english.split(_ALTERNATIVE)) for said, english in pairs}
