"""Confidence and rightness of the answers given, for the coverage-risk curve and the calibration error."""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.measures.decisions import is_correct
from qa.evaluation.records import Scores


def score(case: Case) -> Scores:
    """Score an answer that was given: ``risk`` is 1.0 where it is wrong; ``confidence`` only of arms that state one."""
    if not case.is_answered:
        return {"risk": None, "confidence": None}
    return {"risk": float(not is_correct(case)), "confidence": case.confidence if case.arm.confident else None}
