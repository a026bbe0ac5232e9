"""How much of the evidence, the verbatim span that answers the question, is in the answer."""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.measures.wording import share_held
from qa.evaluation.records import Scores


def score(case: Case) -> Scores:
    """Score an answer for which there is evidence.

    ``evidence_recall`` = |terms of evidence ∩ terms of answer| / |terms of evidence|, terms being stemmed words without
    stop words: the recall of Adlakha et al. ("Evaluating correctness and faithfulness of instruction-following models
    for question answering", TACL 2024), of evidence instead of a reference. ``evidence_whole``: 1.0 where it is 1.
    """
    share = share_held(case.question.evidence, case.text)
    return {"evidence_recall": share, "evidence_whole": None if share is None else float(share == 1.0)}
