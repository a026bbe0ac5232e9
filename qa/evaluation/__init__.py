"""Does retrieval help? Arms with and without it, compared on questions whose answer is known."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa.evaluation.arms import ARMS, Arm
    from qa.evaluation.errors import EvaluationError
    from qa.evaluation.run import evaluate
    from qa.evaluation.settings import Settings

__all__ = ["ARMS", "Arm", "EvaluationError", "Settings", "evaluate"]
_HOMES = {"ARMS": "arms", "Arm": "arms", "EvaluationError": "errors", "Settings": "settings", "evaluate": "run"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # on demand: the command line describes itself without loading what evaluating needs
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
