"""Fitting a decision on questions whose right status is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa.answers import Status
from qa.decision import DECIDED, Decision, Signals
from retrieval.errors import UsageError
from retrieval.question_file import Kind, Question

if TYPE_CHECKING:
    from qa.engine import ProductQA

MOST_REFUSED = 0.12
"""Share of the answerable questions that may be declined, by the default threshold."""
RIGHT_STATUS: dict[Kind, Status] = {
    "identify": "answered",
    "fact": "answered",
    "unanswerable": "not_in_description",
    "absent": "no_match",
}
_FOLDS = 5
_INVERSE_PENALTY = 0.3


def calibrate(pipeline: ProductQA, questions: Sequence[Question], *, seed: int = 0) -> Decision:
    """Fit a multinomial logistic regression from signals to statuses, and choose the threshold of answering.

    The threshold is the highest that declines at most 12 % of the answerable questions, by probabilities from five
    folds: each question's come from a fit without it. Ambiguous questions are left out.

    Args:
        pipeline: What gives the signals.
        questions: Questions whose kind is known.
        seed: Of the folds.

    Raises:
        UsageError: There are fewer than five questions of a status.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    asked = [question for question in questions if question.kind in RIGHT_STATUS]
    right = np.asarray([DECIDED.index(RIGHT_STATUS[question.kind]) for question in asked])
    few = [status for place, status in enumerate(DECIDED) if (right == place).sum() < _FOLDS]
    if few:
        raise UsageError(f"Too few questions whose right status is {', '.join(few)}; {_FOLDS} are needed of each.")
    signals = np.asarray(pipeline.signals_of([question.question for question in asked]))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1_000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    unseen = cross_val_predict(model, signals, right, cv=folds, method="predict_proba")
    threshold = float(np.quantile(unseen[right == 0, 0], MOST_REFUSED, method="lower"))
    model.fit(signals, right)
    return Decision(_unscaled(model), round(threshold, 4), _facts(unseen, right, threshold, seed))


def _unscaled(model: Any) -> dict[Status, list[float]]:
    """Return the weights for signals that were not standardised, the intercept last."""
    scaler, regression = model[0], model[-1]
    weights = regression.coef_ / scaler.scale_
    intercepts = regression.intercept_ - weights @ scaler.mean_
    rows = np.column_stack([weights, intercepts]).round(6).tolist()
    return dict(zip(DECIDED, rows, strict=True))


def _facts(unseen: NDArray[np.float64], right: NDArray[np.intp], threshold: float, seed: int) -> dict[str, Any]:
    answered = unseen[:, 0] >= threshold
    chosen = np.where(answered, 0, 1 + unseen[:, 1:].argmax(axis=1))
    return {
        "signals": list(Signals._fields),
        "questions": len(right),
        "seed": seed,
        "cross_validated": {
            "status_accuracy": round(float((chosen == right).mean()), 4),
            "answerable_refused": round(float((~answered[right == 0]).mean()), 4),
            "others_declined": round(float((~answered[right != 0]).mean()), 4),
            "log_loss": round(float(-np.log(unseen[np.arange(len(right)), right]).mean()), 4),
        },
    }
