"""Does retrieval help? Arms with and without it, compared on questions whose answer is known."""

from __future__ import annotations

from qa.evaluation.arms import ARMS, Arm
from qa.evaluation.errors import EvaluationError
from qa.evaluation.run import evaluate
from qa.evaluation.settings import Settings

__all__ = ["ARMS", "Arm", "EvaluationError", "Settings", "evaluate"]
