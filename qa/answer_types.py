"""Expected answer types (Li and Roth, "Learning question classifiers", COLING 2002): name, age, amount, colour.

The evidence ranker takes what a book is about for an answer to who wrote it or how many pages it has, and doubts that
"from birth to 3 years" tells whether something is for a baby.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.measures import lacks_type, told_by_title
from retrieval.context import Shown, answering_spans
from retrieval.text import NUMBERS_SPELT_OUT, terms

_ASKS_WHO = re.compile(
    r"\b(?:(?P<maker>who (?:made|makes|publish\w+)|quem fez)"
    r"|who (?:wrote|illustrated|edited)|written by|by whom|quem (?:escreveu|ilustrou)"
    r"|(?:who|what|quem|qual)(?: i|'|\u2019)?s? (?:é )?(?:the |o |a )?(?:name of the )?"
    r"(?:author|writer|illustrator|autora?))\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-Z][\w'\u2019-]*\.?\s+(?:[A-Z][\w'\u2019-]*\.?\s+)*[A-Z][\w'\u2019-]+")
"""Words with capitals, one after the other. Those of a title are no name by that alone."""
_BY = re.compile(r"\bby [A-Z]")
_LACKS = -4.0
"""Of the type that is asked for there is nothing in what is shown, or in what would be said."""

_NUMBER = rf"(?:1?\d|{'|'.join(NUMBERS_SPELT_OUT)})"
_MONTHS = rf"(?:{_NUMBER}|\d+)"
_ASKS_AGE = re.compile(
    r"\b(?:(?:what|which|youngest|minimum|recommended|suitable) ages?|age (?:range|group|limit|is|for)"
    r"|how old (?:should|must|do|does)|(?:que|qual|qual a) idade|idade m[ií]nima)\b",
    re.IGNORECASE,
)
_SOMEONE_YOUNG = re.compile(
    r"\b(?:(?:for|to) (?:an? |my |the |our )?(?:baby|babies|toddlers?|newborns?|infants?)"
    rf"|(?:{_NUMBER}[ -]years?|{_MONTHS}[ -]months?)[ -]olds?|crianças? de \w+ anos|bebês?)\b",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(
    r"\b(?:is|are|isn['\u2019]?t|can|could|will|would|does|do|should|may|ok(?:ay)?|safe|suitable|appropriate|old enough"
    r"|é|são|serve|pode|posso|dá)\b",
    re.IGNORECASE,
)
"""Someone young who is only named is whom something is looked for: "puzzle for a 5 year old" asks for no age."""
_AGE = re.compile(
    rf"\b(?:(?:ages?|aged|over|under|above|age of|from) {_NUMBER}\b|{_NUMBER} ?\+? ?-?(?:years?|yrs?)\b"
    rf"|{_MONTHS} ?\+? ?-?months?\b|birth\b|newborns?\b|bab(?:y|ies)\b|toddlers?\b|infants?\b)",
    re.IGNORECASE,
)
_TELLS = 3.0


def type_evidence(question: str, shown: Sequence[Shown]) -> float:
    """Return log-odds to add to the ranker's, that what is shown answers; 0 where no type is expected.

    Who made something is less probably answered where nothing that is shown holds a name; how many, how long or of
    which colour it is, where the spans that would be said do not tell it, unless the title does; from or for which age
    something is, more probably where those spans tell an age, and less where they do not.

    Args:
        question: As it was asked.
        shown: The products that are shown, best first.
    """
    if not shown:
        return 0.0
    if who := _ASKS_WHO.search(question):
        named = any(_names_someone(each, within_title=bool(who["maker"])) for each in shown)
        return 0.0 if named else _LACKS
    if _ASKS_AGE.search(question) or (_SOMEONE_YOUNG.search(question) and _ASKS_WHETHER.search(question)):
        return _TELLS if any(map(_AGE.search, answering_spans(shown[0]))) else -_TELLS
    said = answering_spans(shown[0])
    if told_by_title(question, said, shown[0].product.title):
        return _TELLS
    return _LACKS if lacks_type(question, said) else 0.0


def _names_someone(shown: Shown, *, within_title: bool) -> bool:
    """Tell whether a title or the spans shown hold a name; one that half stands in the title only if that counts."""
    if any(map(_BY.search, (shown.product.title, *shown.spans))):
        return True
    title = set(terms(shown.product.title))
    names = [terms(name) for span in shown.spans for name in _NAME.findall(span)]
    return any(within_title or 2 * sum(term in title for term in name) < len(name) for name in names)
