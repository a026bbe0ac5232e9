"""Nearness in meaning of answer and reference.

``semantic_precision`` is the cosine of the two texts by the index's encoder (Reimers & Gurevych, Sentence-BERT, EMNLP
2019). ``bertscore_*`` match each token's contextual embedding greedily with the most similar one of the other text
(Zhang et al., BERTScore, ICLR 2020, section 3; without importance weights or baseline rescaling).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores

TokenVectors = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Unit vectors ``(n, dimension)`` and weights ``(n,)``: 1 for a token, 0 for a special one, which counts for nothing
itself but may be a match, as in the authors' implementation."""


def greedy_match(candidate: TokenVectors, reference: TokenVectors) -> tuple[float, float, float]:
    """Return BERTScore's precision, recall and F1.

    P = mean over the candidate's tokens of the highest cosine with a token of the reference; R the same the other way;
    F1 = 2PR / (P + R). All are 0.0 where a text has no token.
    """
    (given, given_weights), (right, right_weights) = candidate, reference
    if not given_weights.any() or not right_weights.any():
        return 0.0, 0.0, 0.0
    similar = given @ right.T
    precision = float(np.average(similar.max(axis=1), weights=given_weights))
    recall = float(np.average(similar.max(axis=0), weights=right_weights))
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both > 0 else 0.0


def score(case: Case) -> Scores:
    """Score an answer for which there is a reference; an empty answer is near to nothing."""
    names = ("semantic_precision", "bertscore_precision", "bertscore_recall", "bertscore_f1")
    reference = case.question.answer
    if not reference:
        return dict.fromkeys(names)
    if not case.text:
        return dict.fromkeys(names, 0.0)
    values = (case.tools.cosine(case.text, reference), *case.tools.token_match(case.text, reference))
    return dict(zip(names, values, strict=True))
