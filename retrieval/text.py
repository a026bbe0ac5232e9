"""Text: cleaning of published listings, words, terms and sentences."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ftfy
    import tantivy

NUMBERS_SPELT_OUT = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CELL = re.compile(r"<(?=/?(?:td|th|tr)\b)", re.IGNORECASE)  # outside a table the parser drops these without a gap
_MARKUP = re.compile(r"&[#A-Za-z]|<[A-Za-z/!?]")
_TAG = re.compile(r"<[A-Za-z/!?]|\0")  # or what the parser drops
_REFERENCE = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][0-9A-Za-z]*);?")
_INLINE_TAGS = ["a", "abbr", "b", "big", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "tt", "u"]
_DROPPED_TAGS = ["style", "script", "noscript", "template", "title", "iframe"]
_ANY_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>?")
_INLINE_TAG = re.compile(rf"</?(?:{'|'.join(_INLINE_TAGS)})(?:[\s/][^<>]*)?>", re.IGNORECASE)
_MOST_TAGS = 2_000
"""With more, a text isn't parsed: the time for tags that are never closed grows with the square of their number."""
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Zero-width spaces, byte order marks and what turns the direction of writing; joiners shape letters, and are kept."""
_DECODING_PASSES = 4
_LONGEST_MOJIBAKE = 8  # what ftfy recognises has at most six characters
_BEYOND_ASCII = re.compile(rf"[^\0-\x7f](?:.{{0,{_LONGEST_MOJIBAKE}}}[^\0-\x7f])*", re.DOTALL)
_WORD = re.compile(r"\w+(?:[.,'\u2019/-]\w+)*", re.UNICODE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|st|vs|no|vol|inc|ltd|co|jr|sr|approx|dia|max|min|oz|lb|lbs|ft|in|cm|mm|qty|pt|pts|u\.s|e\.g|i\.e)"
    r"|\b[A-Z]|\b\w\.\w)\.$",
    re.IGNORECASE,
)
NEGATION = re.compile(r"\b(?:no|not|never|none|neither|nor|without|cannot|\w+n['\u2019]t)\b", re.IGNORECASE)
_END = re.compile(r"[.!?\u2026][\"'\u2019\u201d)\]]*$")
_BOUNDARY = re.compile(
    r"(?<=[.!?])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]?[A-Z\u00c0-\u00de0-9*\u2022-])|\s+(?=[\u2022*]\s)|(?<=;)\s+"
    r"|(?<=[\u3002\uff01\uff1f])"
)


def clean(text: str) -> str:
    """Turn published listing text into plain text.

    Entities (also escaped twice), tags, comments, style blocks, control characters, those without width or that turn
    the direction of writing, and text decoded with the wrong character set (mojibake) are mended; white space is folded
    to single spaces. Curly quotes stay as they are.

    Args:
        text: Raw text.

    Returns:
        Plain text on one line, without white space at its ends; empty when nothing is left.
    """
    text = _fold_space(text)
    if "&" in text or "<" in text:
        for _ in range(_DECODING_PASSES):
            if not _MARKUP.search(text):
                break
            text = _strip_markup(text) if _TAG.search(text) else _REFERENCE.sub(_decoded, text)
        text = _fold_space(text)
    while not (text.isprintable() and (text.isascii() or _is_well_decoded(text))):
        mended = _fold_space(_mend_characters(text))
        if mended == text:
            break
        text = mended
    return text


def _fold_space(text: str) -> str:
    if text.isprintable() and "  " not in text:  # so that there is no white space but spaces
        return text.strip(" ")
    return " ".join(text.split())


def _decoded(reference: re.Match[str]) -> str:
    return _decode(reference[0])


@lru_cache(maxsize=10_000)
def _decode(reference: str) -> str:
    return _strip_markup(f".{reference}")[1:]


def _strip_markup(text: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    if len(_TAG.findall(text)) > _MOST_TAGS:
        return _ANY_TAG.sub(" ", _INLINE_TAG.sub("", text))
    body = LexborHTMLParser(f"<body>{_CELL.sub(' <', text)}").body
    if body is None:
        return ""
    body.strip_tags(_DROPPED_TAGS, recursive=True)
    body.unwrap_tags(_INLINE_TAGS)
    body.merge_text_nodes()
    return body.text(separator=" ")


@cache
def _fixer() -> ftfy.TextFixerConfig:
    import ftfy

    return ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False
    )


def _is_well_decoded(text: str) -> bool:
    """Tell of printable text whether ftfy would leave it as it is, looking only around what is not ASCII."""
    from ftfy.badness import is_bad

    return (
        "\ufffc" not in text
        and unicodedata.is_normalized("NFC", text)
        and not any(
            is_bad(text[max(0, found.start() - _LONGEST_MOJIBAKE) : found.end() + _LONGEST_MOJIBAKE])
            for found in _BEYOND_ASCII.finditer(text)
        )
    )


def _mend_characters(text: str) -> str:
    import ftfy

    mended = ftfy.fix_text(_UNSEEN.sub("", text), _fixer())
    if mended.isprintable():
        return mended
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in mended)


def is_ended(text: str) -> bool:
    """Tell whether a text ends with a full stop, a question or exclamation mark or an ellipsis, quotes allowed."""
    return bool(_END.search(text))


def is_abbreviated(text: str) -> bool:
    """Tell whether a text ends with an abbreviation and its full stop: "Qty.", "U.S."."""
    return bool(_ABBREVIATION.search(text))


def words(text: str) -> list[str]:
    """Split text into words as they are written: ``"3.5-inch"`` and ``"don't"`` are one word each."""
    return _WORD.findall(text)


@cache
def analyzer() -> tantivy.TextAnalyzer:
    """Return the analyzer that every lexical part shares: Unicode words, lower case, accents folded, English stems."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(40)).filter(Filter.lowercase())
    return builder.filter(Filter.ascii_fold()).filter(Filter.stemmer("english")).build()


def terms(text: str) -> list[str]:
    """Split text into index terms: lower case, accents folded, stemmed, in order and with repetitions."""
    return analyzer().analyze(text)


def sentences(text: str) -> list[str]:
    """Split cleaned text into sentences, each a verbatim span of it.

    Listings punctuate loosely, so a bullet or a semicolon ends a sentence too; abbreviations and decimals do not.
    """
    found: list[str] = []
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        piece = text[start : boundary.start()]
        if is_abbreviated(piece):
            continue
        end = boundary.start() + len(boundary.group()) - len(boundary.group().lstrip("\"'\u201d\u2019)]"))
        if text[start:end].strip():
            found.append(text[start:end].strip())
        start = boundary.end()
    if text[start:].strip():
        found.append(text[start:].strip())
    return found
