"""Amounts and colours: which of them a question asks for, and whether a text tells one, in the right unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from retrieval.counting import SPELT_OUT, count_of, counted, tells_count

_SHADE = (
    r"(?:red|blue|green|yellow|orange|purple|pink|white|black|gr[ea]y|brown|silver|gold|beige|tan|ivory|amber|navy|teal|aqua"
    r"|turquoise|violet|lavender|maroon|burgundy|crimson|cream|bronze|copper|khaki|charcoal|fuchsia|magenta|cyan|clear"
    r"|transparent|multi-?colou?r(?:ed)?)"
)
_SHADES = rf"{_SHADE}(?:(?:[ /,&-]| and | & ){_SHADE})*"
_AMOUNT = (
    rf"(?<![A-Za-z\d])\d|[¼-¾]|\b(?:(?:{SPELT_OUT})s?|half|both|pair|couple|single|double|triple|lifetime"
    r"|(?:minute|hour|day|week|month|year|pound)s?|inch(?:es)?|foot|feet)\b"
)
"""A number, but not that of a model ("KT40"), or a unit that may stand for one of it: "about a minute"."""
_NUMBER = rf"(?:\d[\d.,/]*|[¼-¾]|\b(?:{SPELT_OUT}|half|quarter|an?)\b)[\s-]*"
_LENGTH = (
    r"(?:[\"\u201d\u2033'\u2019\u2032\u00b4]|(?:in|inch|inches|ft|feet|foot|[mck]?m|yards?|yds?|miles?|mils?|microns?|gauge|ga)\b"
    r"|(?:centi|milli|kilo)?met(?:er|re)|(?:x|by)\b)"
)


class _Expected(NamedTuple):
    """A type of answers.

    Attributes:
        asked: Questions that ask for it.
        told: Texts that tell it.
        in_title: Words of a title that tell it where the description does not, as the first group; None for none.
    """

    asked: re.Pattern[str]
    told: re.Pattern[str]
    in_title: re.Pattern[str] | None

    def is_missed(self, question: str, said: Sequence[str]) -> bool:
        """Tell whether a question asks for it and nothing that is said tells it."""
        return bool(self.asked.search(question)) and not any(map(self.told.search, said))


def _expected(asked: str, told: str, in_title: str | None = None) -> _Expected:
    asked_for, telling = (re.compile(pattern, re.IGNORECASE) for pattern in (asked, told))
    return _Expected(asked_for, telling, re.compile(in_title, re.IGNORECASE) if in_title else None)


def _asks_for(noun: str) -> str:
    """Match "what length is it" and fragments that end with what they ask for: "grey bin lid diameter"."""
    return rf"\b(?:wh?at['\u2019]?s?|wh?ich)\b(?: [\w'\u2019-]+){{0,4}} {noun}\b|\b{noun}(?: [\w'\u2019-]+){{0,2}}\W*$"


_EXPECTED = (
    _expected(
        r"\bhow m[ae]?ny\b|\bquant[oa]s\b|(?:^(?:the )?|\bwhat(?:['\u2019]?s| is) the )number of\b",
        _AMOUNT,
        r"\b(\d[\d,]*[ -]?(?:count|ct|packs?|pk|pcs|pieces?)|(?:pack|set|box|case|lot|bag) of \d[\d,]*"
        r"|\d[\d,]*(?:/| per )(?:pack|set|box|case|bag))\b",
    ),
    _expected(
        r"\bhow (?:much|long|high|loud|far|big|large|small|old|fast|often)\b|\bquant[oa]\b"
        rf"|{_asks_for('(?:capacity|dimensions?|measurements?|wattage)')}",
        _AMOUNT,
    ),
    _expected(
        rf"{_asks_for('(?:h(?:ei|ie)ght|len(?:gth|ght)|thick(?:ness?)?|width|depth|diam[ae]t[a-z]+)')}"
        r"|\bhow (?:wide|tall|thick|thin|deep)\b"
        r"|\bqual (?:é )?[ao] (?:altura|largura|comprimento|di[aâ]metro|espessura|profundidade)\b",
        rf"{_NUMBER}{_LENGTH}|\b(?:ankle|knee)\b",
    ),
    _expected(
        rf"{_asks_for('(?<!lose )(?:w(?:ei|ie)ght|weighs?)')}|\bhow heavy\b|\bhow much\b.*\bweighs?\b"
        r"|\bquanto pesa\b|\bqual (?:é )?o peso\b",
        _NUMBER + r"(?:lbs?\b|pounds?|oz\b|ounces?|g\b|grams?|gsm|kgs?\b|kilo|tons?\b|#)",
    ),
    _expected(
        rf"{_asks_for('temp(?:erature)?s?')}|\bhow (?:hot|cold)\b|\bqual (?:é )?a temperatura\b",
        r"\d[\s-]*(?:°|º|˚|_|deg|[fc]\b|fahr|cels)",
    ),
    _expected(
        rf"{_asks_for('volt(?:s|age)')}|\bqual (?:é )?a (?:voltagem|tens[aã]o)\b", r"\d[\s-]*(?:v\b|volt|vdc|vac)"
    ),
    _expected(r"\b(?:what|which) year\b|\bem que (?:ano|data)\b", r"\b(?:1[5-9]|20)\d\d\b|centur"),
    _expected(
        r"\b(?:what|which) colou?rs?\b|\b(?:que|qual (?:é )?a) cor\b",
        rf"\b(?:(?:{_SHADE}|colou?rs|colou?red)\b|colou?r:)",
        rf"[,(–-]\s?((?:[A-Z]\w+ )?{_SHADES})(?=\s?[,()]|$)",
    ),
)


def lacks_type(question: str, said: Sequence[str]) -> bool:
    """Tell whether a question asks for an amount or a colour and nothing that is said tells one."""
    return any(each.is_missed(question, said) for each in _EXPECTED)


def told_by_title(question: str, said: Sequence[str], title: str) -> str | None:
    """Return the words of a title that tell what is asked for and nothing that is said tells.

    "Pack of 12" and "75 Tricks" tell how many, "Jet Black" of which colour.
    """
    thing = counted(question)
    if thing and not any(tells_count(text, thing) for text in said) and (count := count_of(thing, title)):
        return count
    for each in _EXPECTED:
        if each.in_title and each.is_missed(question, said) and (told := each.in_title.search(title)):
            return told[1]
    return None
