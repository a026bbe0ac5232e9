"""Whether the answer reads as language: perplexity, repetition, a proper end; for answers given."""

from __future__ import annotations

import re

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores
from retrieval.text import is_ended

_REPEATED = 4
_WORD = re.compile(r"\w+")


def repetition(text: str, n: int = _REPEATED) -> float:
    """Return the share of n-grams that stood in the text before (seq-rep-n, Welleck et al., ICLR 2020, section 6).

    1 - unique / all; 0.0 for a text of fewer than ``n`` words.
    """
    said = _WORD.findall(text.lower())
    grams = [tuple(said[start : start + n]) for start in range(len(said) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def score(case: Case) -> Scores:
    """Score an answer that was given; perplexity and repetition only of one that says something."""
    if not case.is_answered:
        return {"perplexity": None, "repetition": None, "well_ended": None}
    if not case.text:
        return {"perplexity": None, "repetition": None, "well_ended": 0.0}
    return {
        "perplexity": case.tools.perplexity(case.text),
        "repetition": repetition(case.text),
        "well_ended": float(is_ended(case.text.rstrip())),
    }
