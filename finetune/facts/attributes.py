"""Attributes of products, how shoppers ask about them, and which kinds of product have them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from retrieval.schema import Product

_HEAD_ENDS = re.compile(r"\s(?:for|with|by|from|in|of)\s|\sw/|[,(\[|+:&]|\s[-–—]\s", re.IGNORECASE)
_BOOK_WORDS = re.compile(
    r"\b(?:novel(?!ty)|book|author|story|stories|reader|thriller|fiction|memoir|chapter|biography|narrative|literary|poet|poem"
    r"|Guardian|Daily Mail|Sunday Times|Library Journal|Publishers Weekly|Booklist|Kirkus|bestsell|storyteller|heroine"
    r"|edition|essays|textbook|published|prose|recipes|illustrations)",
    re.IGNORECASE,
)
_MANY_BOOK_WORDS = 2
_SURELY_A_BOOK = 4


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that shoppers ask about.

    Attributes:
        name: Identifier, such as ``"weight"``.
        questions: English templates that hold ``{product}``.
        questions_pt: Portuguese templates that hold ``{product}``.
        cues: Any match means that a listing may say something about it.
        several: A listing may state several values, each true by itself.
    """

    name: str
    questions: tuple[str, ...]
    questions_pt: tuple[str, ...]
    cues: re.Pattern[str]
    several: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product.

    Attributes:
        name: Identifier, such as ``"gift_card"``.
        heads: Matches the nouns that name such a product.
        asked: Names of the attributes that make sense for it.
    """

    name: str
    heads: re.Pattern[str]
    asked: tuple[str, ...]


@cache
def attributes() -> dict[str, Attribute]:
    """Return all attributes by name."""
    return {
        name: Attribute(
            name,
            tuple(table["questions"]),
            tuple(table["questions_pt"]),
            re.compile(table["cues"], re.IGNORECASE | re.DOTALL),
            table.get("several", False),
        )
        for name, table in _tables()["attributes"].items()
    }


@cache
def kinds() -> tuple[Kind, ...]:
    """Return all kinds of product."""
    return tuple(
        Kind(name, re.compile(rf"\b{table['heads']}(?!\w)", re.IGNORECASE), tuple(table["asked"]))
        for name, table in _tables()["kinds"].items()
    )


def head_of(title: str) -> str:
    """Return what stands before the first "for", "with" or comma of a title: the part that names the thing."""
    ends = _HEAD_ENDS.search(title, 1)
    return title[: ends.start()] if ends else title


def kind_of(product: Product) -> Kind | None:
    """Tell the kind of a product by the head of its title: the last noun before "for", "with" or a comma.

    Titles of books have no such head; the words of their descriptions tell them.
    """
    found = _last_head(head_of(product.title)) or _last_head(product.title)
    book_words = {word.lower() for word in _BOOK_WORDS.findall(product.content)}
    if len(book_words) >= (_SURELY_A_BOOK if found else _MANY_BOOK_WORDS):
        return kinds()[0]
    return found


def _last_head(text: str) -> Kind | None:
    ends = {kind: max((m.end() for m in kind.heads.finditer(text)), default=0) for kind in kinds()}
    best = max(ends, key=ends.__getitem__)
    return best if ends[best] else None


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("attributes.toml").read_text(encoding="utf-8"))
