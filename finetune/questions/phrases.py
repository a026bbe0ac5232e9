"""What a listing says of a product, in phrases short enough to be remembered.

Phrases are runs of content words between function words and punctuation, as in RAKE (Rose et al., "Automatic keyword
extraction from individual documents", 2010); the word before a run tells what it is: a part, a purpose, an action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from finetune.questions.corpus import Corpus
from finetune.questions.wording import (
    ACTIONS,
    COLOURS,
    DECORATION,
    FUNCTION_WORDS,
    SIZES,
    content_terms,
    is_code,
    word_list,
)
from retrieval.schema import Product
from retrieval.text import sentences, words

Role = Literal["part", "action", "purpose", "theme"]
_FRAGMENTS = re.compile(
    r"[,;:.!?()\[\]\u2013\u2014\"\u201c\u201d*\u2022/]+(?:\s+|$)|\s[-\u2013\u2014]+\s|\s[*\u2022]\s"
)
_PARTS = word_list("before_parts")
_THEMES = word_list("before_themes")
_FITTED = word_list("fitted")
_DETERMINERS = word_list("determiners")
_LINKS = frozenset(["of", "for", "on", "in", "from", "and", "with"])
_PERSONS = {"your": "my", "you": "me", "yours": "mine", "yourself": "myself", "our": "their", "we": "they"}
_ENABLERS = frozenset(["lets", "allows", "helps", "enables", "let", "allow", "help"])
_VERBS = ACTIONS | {"is", "are", "was", "were", "can", "will", "has", "have", "may", "do", "does", "your", "you", "to"}
_PARTICIPLES = word_list("participles")
_IMPERATIVES = word_list("imperatives")
_LONGEST_CLAUSE = 8
_SENTENCES = 14
_TELLING = 3.0
_RAREST = 5.0  # beyond it rarity says no more of a word than that it is a name or a slip


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of a description.

    Attributes:
        role: ``part``: something it has; ``action``: a clause, ``folds flat in seconds``; ``purpose``: what it is for;
            ``theme``: what a book is about.
        text: The words, lower case except for names.
        rarity: Mean inverse document frequency of its content words.
    """

    role: Role
    text: str
    rarity: float

    def shares_a_term_with(self, terms: frozenset[str]) -> bool:
        """Tell whether a content word of the phrase is among terms."""
        return bool(content_terms(self.text) & terms)


def phrases_of(product: Product, corpus: Corpus) -> list[Phrase]:
    """Return the phrases of a product's description, the rarest first."""
    best: dict[str, Phrase] = {}
    for sentence in sentences(product.content)[:_SENTENCES]:
        for place, fragment in enumerate(_FRAGMENTS.split(sentence)):
            for role, run in _runs(words(fragment), corpus, first=not place):
                phrase = _phrase(role, run, corpus)
                if phrase is not None:
                    best.setdefault(phrase.text, phrase)
    return sorted(best.values(), key=lambda phrase: (-phrase.rarity, phrase.text))


def _runs(said: list[str], corpus: Corpus, *, first: bool) -> Iterator[tuple[Role, list[str]]]:
    if first and 1 < len(said) <= _LONGEST_CLAUSE and _begins_a_noun(said[0], corpus) and not _VERBS & set(said[1:]):
        yield "part", said
    if said and said[0][0].isupper() and said[0].lower() in ACTIONS and len(said) > 2:
        yield "action", [said[0].lower(), *said[1:]]
    if said and not _may_describe(said[0], corpus):
        return
    for place, word in enumerate(said[:-1]):
        low, after = word.lower(), said[place + 1 :]
        following = after[0].lower()
        if (
            low in {"that", "which", "who"}
            and (following in ACTIONS or following in {"can", "will"})
            and len(after) > 2
        ) or (low == "it" and following in ACTIONS and len(after) > 2):
            yield "action", after
        elif low in _ENABLERS and following in {"you", "your"} and len(after) > 2:
            yield "action", ["lets", "you", *(after[2:] if len(after) > 3 and after[1].lower() == "to" else after[1:])]
        elif low in _PARTS:
            yield "part", after
        elif low in {"a", "an"} and place and said[place - 1].lower() not in _LINKS | _THEMES | {"is", "as"}:
            yield "part", said[place:]
        elif low == "for" and place and said[place - 1].lower() in _FITTED:
            yield "purpose", after
        elif low in _THEMES and following in _DETERMINERS | {following if following.islower() else ""}:
            yield "theme", after


def _may_describe(word: str, corpus: Corpus) -> bool:
    """Tell whether a fragment that begins with this word describes rather than tells the reader what to do."""
    low = word.lower()
    return low in FUNCTION_WORDS | _FITTED or not (low in _IMPERATIVES or corpus.is_verb(low))


def _begins_a_noun(word: str, corpus: Corpus) -> bool:
    low = word.lower()
    return (
        low not in FUNCTION_WORDS | ACTIONS | _IMPERATIVES
        and not low.endswith(("ed", "ing", "ly"))
        and not corpus.is_verb(low)
    )


def _phrase(role: Role, run: list[str], corpus: Corpus) -> Phrase | None:
    kept = _clause(run) if role == "action" else _noun_phrase(run, corpus)
    meaning = [word for word in kept if word.lower() not in FUNCTION_WORDS]
    telling = [word for word in meaning if word.isalpha() and word.lower() not in DECORATION | ACTIONS | SIZES]
    rarities = [min(corpus.rarity(word), _RAREST) for word in telling]
    if not telling or len(meaning) < 2 or max(rarities) < _TELLING or any(is_code(word) for word in kept):
        return None
    shown = [_PERSONS.get(word.lower(), word if corpus.is_name(word) else word.lower()) for word in kept]
    return Phrase(role, " ".join(shown), sum(rarities) / len(rarities))


def _clause(run: list[str]) -> list[str]:
    kept = run[:_LONGEST_CLAUSE]
    if len(run) > len(kept):
        links = [place for place, word in enumerate(kept) if word.lower() in _LINKS | {"to", "as", "that", "when"}]
        kept = kept[: links[-1]] if links and links[-1] > 3 else kept
    while kept and kept[-1].lower() in FUNCTION_WORDS - {
        "you",
        "it",
        "them",
        "on",
        "off",
        "out",
        "up",
        "together",
        "again",
    }:
        kept = kept[:-1]
    return kept


def _noun_phrase(run: list[str], corpus: Corpus) -> list[str]:
    """Return the noun phrase that a run of words begins with; one link (``of``, ``for``, ...) may extend it."""
    if corpus.is_verb(run[0].lower()) or run[0].lower() in _IMPERATIVES:
        return []
    kept: list[str] = []
    links = 0
    for place, word in enumerate(run[:_LONGEST_CLAUSE]):
        low = word.lower()
        if low in _DETERMINERS and (not kept or kept[-1].lower() in _LINKS):
            kept.append(low)
        elif low in _LINKS and kept and kept[-1].lower() not in FUNCTION_WORDS and not links and place < 5:
            links += 1
            kept.append(low)
        elif low in FUNCTION_WORDS | ACTIONS | _PARTICIPLES or (low.endswith("ly") and len(low) > 5):
            break
        else:
            kept.append(word)
    while kept and (kept[-1].lower() in FUNCTION_WORDS or kept[-1].lower() in _DETERMINERS):
        kept.pop()
    last = kept[-1].lower() if kept else ""
    if not last.isalpha() or last.endswith(("ed", "ing", "ble", "ful", "ous")) or last in COLOURS:
        return []
    return kept[:7] if len(kept) <= 7 else []
