"""Fitting a decision on questions whose right status is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa.answers import Status
from qa.decision import DECIDED, Decision, Signals, read_signals
from retrieval.errors import UsageError
from retrieval.question_file import FINDABLE, Kind, Question

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
_ELSEWHERE_WEIGHT = 0.04
"""What a question asked of another catalogue weighs, one of this catalogue being 1. Development questions chose it."""
_FOLDS = 5
_INVERSE_PENALTY = 0.3


def calibrate(
    pipeline: ProductQA, questions: Sequence[Question], *, elsewhere: ProductQA | None = None, seed: int = 0
) -> Decision:
    """Fit a multinomial logistic regression from signals to statuses, and choose the threshold of answering.

    The threshold is the highest at which at most 12 % of the answerable questions are declined, those among them that
    are declined whatever their signals. Ambiguous questions are left out. What the facts of the decision tell is
    measured by five folds: each question's probabilities come from a fit without it.

    Args:
        pipeline: What gives the signals.
        questions: Questions whose kind is known.
        elsewhere: Another catalogue, which holds none of the products that are asked about: no product matches there,
            however near the nearest comes. Absent products are few among questions as people write them.
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
    signals, fits = _signals(pipeline, asked)
    here = len(asked)
    if elsewhere is not None:
        there, _ = _signals(elsewhere, [question for question in asked if question.kind in FINDABLE])
        signals = np.concatenate([signals, there])
        right = np.concatenate([right, np.full(len(there), DECIDED.index("no_match"))])
    counting = np.repeat([1.0, _ELSEWHERE_WEIGHT], [here, len(right) - here])
    weights = {"logisticregression__sample_weight": counting}
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1_000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    unseen = cross_val_predict(model, signals, right, cv=folds, method="predict_proba", params=weights)
    model.fit(signals, right, **weights)
    probable = model.predict_proba(signals[:here])[:, 0]
    threshold = _threshold(probable[(right[:here] == 0) & fits], (right == 0).sum())
    facts = _facts(unseen[:here], right[:here], threshold, seed)
    if elsewhere is not None:
        declined = float((unseen[here:, 0] < threshold).mean())
        facts["elsewhere"] = {"questions": len(right) - here, "declined": round(declined, 4)}
    return Decision(_unscaled(model), threshold, facts)


def _signals(pipeline: ProductQA, asked: Sequence[Question]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the signals of questions ``(n, 5)``, and of which of them something fits."""
    found = pipeline.look([question.question for question in asked], min_confidence=0.0)
    signals = [read_signals(each.query, each.context, len(pipeline.index)) for each in found]
    return np.asarray(signals), np.asarray([each.status == "answered" for each in found])


def _threshold(probable: NDArray[np.float64], answerable: int) -> float:
    """Return the highest threshold that declines at most 12 % of the answerable questions, to four digits.

    Args:
        probable: For those that something fits, the probability that it is right to answer.
        answerable: How many there are in all.
    """
    declined_anyway = answerable - len(probable)
    lowest_answered: float = np.sort(probable)[max(0, int(MOST_REFUSED * answerable) - declined_anyway)]
    return math.floor(lowest_answered * 10_000) / 10_000


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
