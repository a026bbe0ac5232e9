"""Robustness: the same questions with fewer words, and with fewer or more products looked at."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from qa.evaluation.records import AS_ASKED
from retrieval.question_file import Question

PRODUCTS_LOOKED_AT = "products looked at"
WORDS_REMOVED = "share of words removed"
LOOKED_AT = (1, 2, 4, 8)
REMOVED = (0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Condition:
    """Circumstances under which every question is asked.

    Attributes:
        name: How it is called.
        curve: The curve it is a point of.
        at: Its place on that curve.
        k: Products looked at; None for as many as the pipeline looks at by itself.
        change: Alters a question.
    """

    name: str
    curve: str
    at: float
    k: int | None = None
    change: Callable[[Question], Question] = lambda question: question


MAIN = Condition(AS_ASKED, "", 0.0)
"""The main run."""


def harder(usual: int, seed: int) -> list[Condition]:
    """Return the conditions of the robustness curves beside the main run.

    Args:
        usual: Products that the pipeline looks at by itself, which the main run stands for.
        seed: Seed of the removal of words.
    """
    looked_at = [Condition(f"k={k}", PRODUCTS_LOOKED_AT, k, k=k) for k in LOOKED_AT if k != usual]
    removed = [Condition(f"words-{share:g}", WORDS_REMOVED, share, change=_remover(share, seed)) for share in REMOVED]
    return looked_at + removed


def without_words(text: str, share: float, seed: int) -> str:
    """Remove a share of a text's words, rounded down; which ones depends on the text and the seed alone.

    The longest word always stays, so that something is left to look for. A larger share removes what a smaller one
    does, and more.
    """
    said = text.split()
    longest = max(range(len(said)), key=lambda place: len(said[place]))
    places = [place for place in range(len(said)) if place != longest]
    random.Random(f"{seed}:{text}").shuffle(places)
    gone = set(places[: int(len(said) * share)])
    return " ".join(word for place, word in enumerate(said) if place not in gone)


def _remover(share: float, seed: int) -> Callable[[Question], Question]:
    return lambda question: replace(question, question=without_words(question.question, share, seed))
