"""Questions that several products answer to: variants of one thing, told apart by colour, size, edition or model."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from finetune.questions.drafts import Draft, Shelf, uids_of
from finetune.questions.frames import frames
from finetune.questions.search_kinds import worded
from finetune.questions.wording import SIZES, content_terms, is_code, joined, tells_variants_apart, term_of
from retrieval.question_file import Question
from retrieval.schema import Product
from retrieval.text import NUMBERS_SPELT_OUT, words

_MOST = 4
_FEWEST_SHARED = 3
_ALIKE = 0.5
_LONGEST_DIFFERENCE = 6


def shared_words(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask by the words of a title that name neither colour nor size nor model; the census finds who shares them."""
    name = shelf.name(product)
    if name.is_work:
        return None
    said = [word for word in (name.brand, *name.core) if word and not tells_variants_apart(word) and not is_code(word)]
    if len(said) < _FEWEST_SHARED:
        return None
    mention = joined(said[:_LONGEST_DIFFERENCE])
    template = worded(random.choice(frames("ambiguous")), mention, name.kind or mention, random)
    return Draft.of(template, mention, Question("", "ambiguous"), "several")


def told_apart(draft: Draft, holders: list[Product]) -> Question | None:
    """Complete the question: every product that fits, and one sentence that tells them apart.

    Returns:
        None unless two to four products hold the words in their titles, have at least half of their title terms in
        common, and differ in colour, size, edition or model.
    """
    if not 2 <= len(holders) <= _MOST:
        return None
    titles = [content_terms(product.title) for product in holders]
    shared = frozenset.intersection(*titles)
    if any(len(shared) < _ALIKE * len(title) for title in titles):
        return None
    own = [_difference(product.title, shared, codes=False) for product in holders]
    if not all(own) or len(set(own)) < len(own):
        own = [_difference(product.title, shared, codes=True) for product in holders]
    if (
        not all(own)
        or len(set(own)) < len(own)
        or not any(tells_variants_apart(word) for text in own for word in text.split())
    ):
        return None
    answer = f"There are {NUMBERS_SPELT_OUT[len(own) - 1]}: {', '.join(own[:-1])} and {own[-1]}."
    return replace(draft.question, uids=tuple(uid for product in holders for uid in uids_of(product)), answer=answer)


def _difference(title: str, shared: frozenset[str], *, codes: bool) -> str:
    """Return the words of a title that others lack, each number with its unit."""
    said = words(title)
    own = []
    for place, word in enumerate(said):
        if content_terms(word) - shared and term_of(word) and (codes or not is_code(word)):
            own.append(word)
            unit = said[place + 1] if place + 1 < len(said) and word[-1].isdigit() else ""
            if unit.lower() in SIZES and not content_terms(unit) - shared:
                own.append(unit)
    return " ".join(own[:_LONGEST_DIFFERENCE])
