"""The groups of questions that figures are given for."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from qa.evaluation.comparisons import Rows
from retrieval.errors import UsageError
from retrieval.question_file import Question
from retrieval.schema import Product

EVERYTHING = "all"
_BY = ("kind", "noise", "lang")


def groups_of(questions: Sequence[Question], seen: Sequence[bool | None]) -> dict[str, Rows]:
    """Return the places of the questions of each group: all, by kind, noise and language, and seen or unseen."""
    groups = {EVERYTHING: np.arange(len(questions))}
    for by in _BY:
        values = [str(getattr(question, by)) for question in questions]
        for value in sorted(set(values)):
            groups[f"{by}={value}"] = np.flatnonzero([each == value for each in values])
    for name, wanted in (("seen", True), ("unseen", False)):
        places = np.flatnonzero([each is wanted for each in seen])
        if len(places):
            groups[name] = places
    return groups


def which_are_seen(questions: Sequence[Question], seen_uids: Container[str] | None) -> list[bool | None]:
    """Tell of each question whether one of its products was tuned on; None where it has none, or that is not known."""
    return [
        None if seen_uids is None or not question.uids else any(uid in seen_uids for uid in question.uids)
        for question in questions
    ]


def check_products(questions: Sequence[Question], find: Callable[[str], Product | None]) -> None:
    """Refuse questions about products that are not there.

    Raises:
        UsageError: A right product is not in the index.
    """
    for number, question in enumerate(questions, start=1):
        for uid in question.uids:
            if find(uid) is None:
                raise UsageError(f"Question {number} ({question.question[:60]!r}) names {uid}, not in the index.")
