"""What an answer takes: milliseconds from question to answer, tokens that the language model reads and writes for it.

``tokens`` is the length of what is shown in tokens of the untuned model, also of arms without a language model.
"""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores


def score(case: Case) -> Scores:
    """Score any answer; a question that a language model was not asked took none of its tokens."""
    has_model = case.arm.reader != "extractive"
    return {
        "milliseconds": case.milliseconds,
        "tokens": float(case.tools.count_tokens(case.text)),
        "prompt_tokens": float(case.model_tokens.get("prompt", 0)) if has_model else None,
        "completion_tokens": float(case.model_tokens.get("completion", 0)) if has_model else None,
    }
