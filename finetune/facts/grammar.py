"""The grammar that ``grammar.toml`` holds, compiled.

A rule states what must stand before a match: where that is the subject of a sentence, the subject must be the product
itself, so that a cable's length or a screen's size is not taken for the product's.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any


class Before(Enum):
    """What must stand before a match.

    Attributes:
        ANYTHING: No matter what.
        CLAUSE: The beginning of a clause, or the end of another label's value: a label of this very product.
        SUBJECT: The product as the subject, or the beginning of a clause.
    """

    ANYTHING = "anything"
    CLAUSE = "clause"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of stating an attribute.

    Attributes:
        attribute: Name of the attribute.
        hints: A text that holds none of these, in lower case, can't match; empty where any text may.
        before: What must stand before a match.
        pattern: With a group ``answer``, nonterminals expanded.
        kinds: Only for these kinds of product; empty for all.
        never: Not for these kinds.
        title: Reads the title, not the description.
    """

    attribute: str
    hints: tuple[str, ...]
    before: Before
    pattern: re.Pattern[str]
    kinds: frozenset[str]
    never: frozenset[str]
    title: bool

    def is_for(self, kind: str) -> bool:
        """Tell whether the rule holds for a kind of product; an unknown kind has the empty name."""
        return (not self.kinds or kind in self.kinds) and kind not in self.never


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules, in order."""
    return tuple(
        Rule(
            table["attribute"],
            tuple(table.get("hints", ())),
            Before(table.get("before", "anything")),
            compiled(table["pattern"].replace("[[", "(?P<answer>").replace("]]", ")")),
            frozenset(table.get("kinds", ())),
            frozenset(table.get("never", ())),
            table.get("title", False),
        )
        for table in _tables()["rules"]
    )


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern, each nonterminal replaced by its definition."""
    definitions = _tables()["nonterminals"]
    while (expanded := re.sub(r"<([A-Z_]+)>", lambda name: f"(?:{definitions[name[1]]})", pattern)) != pattern:
        pattern = expanded
    return re.compile(pattern, re.IGNORECASE)


@cache
def words(name: str) -> frozenset[str]:
    """Return a list of words: ``subjects``, ``adverbs`` or ``prepositions``."""
    return frozenset(_tables()["words"][name])


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("grammar.toml").read_text(encoding="utf-8"))
