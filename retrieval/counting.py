"""Questions for a count, "how many tricks", and the words that tell it, "seventy-five tricks".

The expected answer type (Li and Roth, "Learning question classifiers", COLING 2002) together with its focus, the thing
that is counted. The evidence ranker sees both, and still takes "the tricks are ranked" for as good an answer.
"""

from __future__ import annotations

import re

from retrieval.text import NUMBERS_SPELT_OUT, terms

_ASKS = re.compile(r"\bhow many (?:(?:of the|the|different|more|other) )?([^\W\d][\w'\u2019-]*)", re.IGNORECASE)
SPELT_OUT = (
    f"{'|'.join(NUMBERS_SPELT_OUT)}|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty"
    "|sixty|seventy|eighty|ninety|dozen|hundred|thousand"
)
_COUNT = re.compile(
    rf"(?:(?<![\w.,])\d[\d.,]*+|\b(?:{SPELT_OUT})\b(?:[ -](?:{SPELT_OUT})\b)*)"
    r"((?:[ -]?(?:count|ct|packs?|pk|pcs|pieces?)\b)?)"
    r"(?:-([^\W\d][\w'\u2019]*)| ?((?:[^\W\d][\w'\u2019]*[ -]?){1,3})|)",
    re.IGNORECASE,
)
"""A number, what counts pieces ("50-count"), and the word that a hyphen joins to them ("one-hat tricks"), or else up to
three words after them."""
_DIRECTLY = re.compile(r"(?<![\w.,/-])\d+(?:,\d+)*[ -]([^\W\d]\w*)")


def counted(question: str) -> str | None:
    """Return the index term of what a question asks the number of; None where it asks for no number."""
    asks = _ASKS.search(question)
    return next(iter(terms(asks[1])), None) if asks else None


def tells_count(text: str, of: str) -> bool:
    """Tell whether a text has a number before a term, with at most two words between them."""
    return any(of in terms(" ".join(after)) for after in _COUNT.findall(text))


def count_of(thing: str, text: str) -> str | None:
    """Return the first number in a text with a term directly after it, "75 Tricks"; None where there is none."""
    return next((count[0] for count in _DIRECTLY.finditer(text) if thing in terms(count[1])), None)
