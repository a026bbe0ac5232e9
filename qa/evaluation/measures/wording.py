"""Words that tell something, for the measures that compare words."""

from __future__ import annotations

import re
from functools import cache

from retrieval.text import terms

_STOP_WORDS = """
    a about an and any are as at be been but by can could did do does for from had has have he her his how i if in into
    is it its may me more most my no nor not of on one or our out she should so some such than that the their them then
    there these they this those to too up us was we were what when where which who why will with would you your
    o os um uma uns umas e ou de do da dos das em no na nos nas por para com que se qual quais quem como quando onde
    quanto tem sao foi seu sua meu minha isso isto este esta esse essa"""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def telling_terms(text: str) -> set[str]:
    """Return the index terms of a text (lower case, stemmed) without stop words."""
    return set(terms(text)) - _stop_terms()


def share_held(wanted: str, text: str) -> float | None:
    """Return the share of the telling terms of ``wanted`` that ``text`` holds; None when there are none."""
    needed = telling_terms(wanted)
    return len(needed & telling_terms(text)) / len(needed) if needed else None


def numbers(text: str) -> set[str]:
    """Return the numbers of a text as they are written: ``{"2.4", "1,000"}``."""
    return set(_NUMBER.findall(text))


@cache
def _stop_terms() -> frozenset[str]:
    return frozenset(terms(_STOP_WORDS))
