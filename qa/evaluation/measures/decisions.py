"""Whether it was right to answer, to decline or to ask back; and whether the answer is right."""

from __future__ import annotations

from typing import get_args

from qa.answers import Status
from qa.evaluation.errors import EvaluationError
from qa.evaluation.measures.case import Case
from qa.evaluation.measures.relevance import is_about_right_product
from qa.evaluation.measures.wording import share_held
from qa.evaluation.records import Scores
from retrieval.question_file import Kind

EXPECTED: dict[Kind, Status] = {
    "identify": "answered",
    "fact": "answered",
    "unanswerable": "not_in_description",
    "absent": "no_match",
    "ambiguous": "ambiguous",
}
REFUSALS: tuple[Status, ...] = ("not_in_description", "no_match")
RIGHT_FROM = 0.5
"""A fact is told when the answer holds at least this share of the reference's telling terms."""


def is_correct(case: Case) -> bool:
    """Tell whether an answer is right as a whole.

    Its status is the expected one; of a question to identify a product or for a fact, it is also about the right
    product; and of a fact, it holds at least half of the reference's telling terms.
    """
    if case.status != EXPECTED[case.question.kind]:
        return False
    if case.question.kind not in ("identify", "fact"):
        return True
    told = share_held(case.question.answer, case.text) if case.question.kind == "fact" else None
    return is_about_right_product(case) and (told is None or told >= RIGHT_FROM)


def score(case: Case) -> Scores:
    """Score the decision.

    ``status_accuracy``: 1.0 for the expected status. ``refusal_precision``: of a refusal, whether it was due;
    ``refusal_recall``: of a question of kind unanswerable or absent, whether it was refused. Their means are precision
    and recall of the class "refuse". ``coverage``: 1.0 for an answer given.

    Raises:
        EvaluationError: The status is none of the four.
    """
    if case.status not in get_args(Status):
        raise EvaluationError(f"Arm {case.arm.name} gave status {case.status!r}; known: {', '.join(get_args(Status))}.")
    due = EXPECTED[case.question.kind] in REFUSALS
    refused = case.status in REFUSALS
    return {
        "correct": float(is_correct(case)),
        "status_accuracy": float(case.status == EXPECTED[case.question.kind]),
        "refusal_precision": float(due) if refused else None,
        "refusal_recall": float(refused) if due else None,
        "coverage": float(case.is_answered),
    }
