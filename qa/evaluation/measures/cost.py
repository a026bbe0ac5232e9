"""What an answer takes: milliseconds from question to answer, and its length in tokens of the untuned model."""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores


def score(case: Case) -> Scores:
    """Score any answer."""
    return {"milliseconds": case.milliseconds, "tokens": float(case.tools.count_tokens(case.text))}
