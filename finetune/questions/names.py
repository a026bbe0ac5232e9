"""What people call a product: its title taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finetune.questions.corpus import Corpus
from finetune.questions.wording import (
    COLOURS,
    FUNCTION_WORDS,
    SIZES,
    carries_meaning,
    is_code,
    other_words,
    tells_variants_apart,
    word_list,
)
from finetune.questions.works import author_of, is_work, kind_of_work, short_title
from retrieval.schema import Product
from retrieval.text import words

_BRACKETS = re.compile(r"\s*[(\[{][^)\]}]*[)\]}]?")
_HEAD_ENDS = re.compile(
    r"\s+[-\u2013|~]\s+|[:;|!]\s|,\s|\s(?:with|w/|for|by|from|featuring|fits|includes|compatible|in)\s",
    re.IGNORECASE,
)
_TARGET = re.compile(
    r"\b(?:for|fits|compatible with)\s+(?:use with\s+|your\s+|the\s+|all\s+)*((?:[A-Z0-9][\w.+-]*[ ]?){1,4})"
)
_THING = re.compile(r"(?:er|or|set|board|book|holder|ment)s?$")
_UNITS = (
    SIZES
    - COLOURS
    - {"mini", "giant", "jumbo", "junior", "child", "kids", "mens", "womens", "ladies", "girls", "boys", "set"}
)
_DEVICE_TAILS = word_list("device_tails")


@dataclass(frozen=True, slots=True)
class Name:
    """A title taken apart.

    Attributes:
        title: The title up to its first separator, without brackets and part numbers, as written.
        brand: Its first word, where that is a name; empty without one and for works.
        core: The words of the title that people would say after the brand, in their order.
        kind: The kind of thing, one or two nouns of ``core``, lower case; empty when it cannot be told.
        variant: The one colour that the title names, lower case; empty without one.
        target: The device that it is for, as written; empty without one.
        author: Of a book; empty when the listing does not tell.
        is_work: Whether it is known by its title: a book, a record, a film.
    """

    title: str
    brand: str
    core: tuple[str, ...]
    kind: str
    variant: str
    target: str
    author: str
    is_work: bool


def name_of(product: Product, corpus: Corpus) -> Name:
    """Take the title of a product apart."""
    bare = _BRACKETS.sub("", product.title).strip() or product.title
    if is_work(product, bare, names_a_thing=bool(_known_kind(bare))):
        return Name(short_title(bare), "", (), kind_of_work(product), "", "", author_of(product), True)
    head = _HEAD_ENDS.split(bare, maxsplit=1)[0]
    said = [word for word in words(head) if not is_code(word)]
    first = said[0] if len(said) > 1 else ""
    brand = first if first.isalpha() and len(first) > 1 and carries_meaning(first) and corpus.is_name(first) else ""
    core = [
        word if any(char.isupper() for char in word[1:]) and not word.isupper() else word.lower()
        for word in said[1 if brand else 0 :]
        if _is_said(word)
    ]
    kind = _kind(core, corpus) or _known_kind(bare)
    colours = sorted({word.lower() for word in words(product.title)} & COLOURS)
    target = _TARGET.search(_BRACKETS.sub("", product.title))
    return Name(
        title=" ".join(said) or bare,
        brand=_capitalised(brand),
        core=tuple(core),
        kind=kind,
        variant=colours[0] if len(colours) == 1 and colours[0] not in core else "",
        target=_target(target[1], corpus) if target else "",
        author="",
        is_work=False,
    )


def _is_said(word: str) -> bool:
    low = word.lower()
    return (
        carries_meaning(word)
        and low not in _UNITS
        and len(word) > 1
        and not set(word) & set("/,")
        and not low.isdecimal()
    )


def _kind(core: list[str], corpus: Corpus) -> str:
    nouns = [place for place, word in enumerate(core) if _is_noun(word, corpus)]
    if not nouns:
        return ""
    last = nouns[-1]
    before = core[last - 1] if last else ""
    return f"{before} {core[last]}" if before.isalpha() and not tells_variants_apart(before) else core[last]


def _is_noun(word: str, corpus: Corpus) -> bool:
    if not word.isalpha() or len(word) <= 2 or tells_variants_apart(word) or word.endswith(("ed", "ing")):
        return False
    return corpus.is_common_noun(word) or bool(_THING.search(word)) or _is_thing(word)


def _is_thing(word: str) -> bool:
    return word in other_words() or word.removesuffix("s") in other_words()


def _known_kind(title: str) -> str:
    said = [word.lower() for word in words(title)]
    return next((word for word in reversed(said) if _is_thing(word)), "")


def _target(text: str, corpus: Corpus) -> str:
    said: list[str] = []
    for word in words(text):
        if (said and len(word) > 7 and is_code(word)) or word.lower() in FUNCTION_WORDS | _DEVICE_TAILS:
            break
        if word.isalpha() and not corpus.is_name(word):
            break
        said.append(_capitalised(word))
    is_device = len(said) > 1 or any(char.isdigit() for word in said for char in word)
    return " ".join(said[:3]) if is_device and any(word.isalpha() for word in said) else ""


def _capitalised(word: str) -> str:
    return word.capitalize() if word.isupper() and word.isalpha() and len(word) > 4 else word
