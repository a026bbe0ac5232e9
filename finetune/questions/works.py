"""Works: books, records and films, which people know by their titles and authors."""

from __future__ import annotations

import re

from finetune.questions.wording import FUNCTION_WORDS, is_code
from retrieval.schema import Product
from retrieval.text import words

_BOOK_WORDS = re.compile(
    r"\b(?:novels?|novella|memoirs?|authors?|paperback|hardcover|bestsell\w+|storyteller|stor(?:y|ies)|poems?|poetry|"
    r"chapters?|written|writer|recipes|cookbook|textbook|readers?|fiction|thriller|biography|pages|illustrat\w+|"
    r"publishers?|this book|the book|board book|essays|guidebook|translated|anthology)\b",
    re.IGNORECASE,
)
_NO_BOOK = re.compile(
    r"\b(?:refillable|sheets|binder|notebook|journal|planner|pencils?|pens?|printer|toner|charger|case|adhesive|batter\w+|"
    r"machine|washable|plastic|stainless|rubber|inch(?:es)?|costume|gift card|pack of|mm|cm)\b",
    re.IGNORECASE,
)
_SUBTITLE = re.compile(r"[:;]\s| [-\u2013|/] |, ")
_PERSON = r"((?:[A-Z](?:[a-z]+|\.)[ ]){1,2}(?:Mc|Mac|O')?[A-Z][a-z]+(?:-[A-Z][a-z]+)?)"
_AUTHOR = re.compile(
    rf"\b(?:(?i:novel|book|story|stories|written|poems|memoir|tale|edited|retold|chosen|told)[\w ]{{0,12}} by|[.(] ?By)"
    rf" {_PERSON}"
    rf"|{_PERSON} is (?:the |an? )?(?:[\w-]+ )?author\b|\bauthor {_PERSON}\b"
)
_BOOK_KINDS = {
    "cookbook": r"recipes|cookbook",
    "novel": r"novels?|thriller|fiction",
    "memoir": r"memoirs?|autobiography",
    "poetry book": r"poems?|poetry",
    "picture book": r"picture book|board book",
    "textbook": r"textbook|students|undergraduates?",
    "guide": r"guidebook|guide to|handbook",
    "kids book": r"children|young readers|ages \d",
}
_WORK_TITLE = re.compile(
    r"^(?:the|a|an|my|what|how|why)\b|\w (?:of|the|who|was|is|my|your|our|at|on|to|a|its) \w|'s \w", re.IGNORECASE
)
_RECORD_KINDS = {"cd": r"cd|album|tracks", "dvd": r"dvd|blu-ray", "magazine": r"magazine"}


def is_work(product: Product, title: str, *, names_a_thing: bool) -> bool:
    """Tell whether a product is a work.

    Args:
        product: Its description tells by the words that are used of books.
        title: Its title without brackets.
        names_a_thing: Whether the title holds a word of shops, as ``mug``; then only many such words make it a work.
    """
    signs = len({found.lower() for found in _BOOK_WORDS.findall(f"{product.title} {product.content}")})
    against = len({found.lower() for found in _NO_BOOK.findall(f"{product.title} {product.content[:400]}")})
    if any(is_code(word) for word in words(title)):
        return False
    plain = not any(char.isdigit() for char in title) and "," not in title and not names_a_thing
    return (signs >= 2 and signs > 2 * against) or (plain and not against and bool(_WORK_TITLE.search(title)))


def short_title(title: str) -> str:
    """Return a title without its subtitle."""
    return _SUBTITLE.split(title)[0].strip()


def author_of(product: Product) -> str:
    """Return the author whom the listing names, not those who praise; empty without one."""
    found = _AUTHOR.search(f"{product.title}. {product.content}")
    author = next((group for group in found.groups() if group), "") if found else ""
    return "" if author and author.split()[0].lower() in FUNCTION_WORDS else author


def kind_of_work(product: Product) -> str:
    """Return what people call such a work: ``novel``, ``cd``, ...; empty when the listing does not tell."""
    text = f"{product.title} {product.content}"
    is_book = bool(_BOOK_WORDS.search(text))
    kinds = _BOOK_KINDS if is_book else _RECORD_KINDS
    kind = next((kind for kind, sign in kinds.items() if re.search(rf"\b(?:{sign})\b", text, re.IGNORECASE)), "")
    return kind or ("book" if is_book else "")
