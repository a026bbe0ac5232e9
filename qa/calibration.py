"""Fitting a decision on questions whose right status is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa.answers import Status
from qa.decision import DECIDED, ON_PAGE_FROM, Decision, Signals, read_signals
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
_TELLING = ("matches", "answers", "shown")
_TELLING_ON_PAGE = ("answers", "shown")
"""The signals of whether a description tells what is asked of its product. Development questions chose them."""
_FOLDS = 5
_INVERSE_PENALTY = 0.3


def calibrate(
    pipeline: ProductQA,
    questions: Sequence[Question],
    *,
    elsewhere: ProductQA | None = None,
    pages: tuple[ProductQA, Sequence[Question]] | None = None,
    seed: int = 0,
) -> Decision:
    """Fit three logistic regressions to signals, and choose the threshold of answering.

    The threshold is the highest at which at most 12 % of the answerable questions are declined, those among them that
    are declined whatever their signals. Ambiguous questions are left out. Questions for facts, answerable or not, are
    also asked on their products' pages. What the facts of the decision tell is measured by five folds: each question's
    probabilities come from a fit without it.

    Args:
        pipeline: What gives the signals.
        questions: Questions whose kind is known.
        elsewhere: Another catalogue, which holds none of the products that are asked about: no product matches there,
            however near the nearest comes. Absent products are few among questions as people write them.
        pages: More questions for facts that are asked on their products' pages only, and the catalogue of these.
        seed: Of the folds.

    Raises:
        UsageError: There are fewer than five questions of a status.
    """
    from sklearn.model_selection import StratifiedKFold

    asked = [question for question in questions if question.kind in RIGHT_STATUS]
    right = np.asarray([DECIDED.index(RIGHT_STATUS[question.kind]) for question in asked])
    few = [status for place, status in enumerate(DECIDED) if (right == place).sum() < _FOLDS]
    if few:
        raise UsageError(f"Too few questions whose right status is {', '.join(few)}; {_FOLDS} are needed of each.")
    signals, fits = _signals(pipeline, asked)
    here, there = len(asked), signals[:0]
    if elsewhere is not None:
        there, _ = _signals(elsewhere, [question for question in asked if question.kind in FINDABLE])
    signals = np.concatenate([signals, there])
    right = np.concatenate([right, np.full(len(there), DECIDED.index("no_match"))])
    counting = np.repeat([1.0, _ELSEWHERE_WEIGHT], [here, len(there)])
    unseen = np.empty((len(right), len(DECIDED)))
    for known, left_out in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(signals, right):
        unseen[left_out] = _probabilities(_fit(signals[known], right[known], counting[known]), signals[left_out])
    weights = _fit(signals, right, counting)
    probable = _probabilities(weights, signals[:here])[:, 0]
    threshold = _threshold(probable[(right[:here] == 0) & fits], (right == 0).sum())
    facts = {"encoder": pipeline.index.manifest["encoder"]} | _facts(unseen[:here], right[:here], threshold, seed)
    if len(there):
        declined = float((unseen[here:, 0] < threshold).mean())
        facts["elsewhere"] = {"questions": len(there), "declined": round(declined, 4)}
    on_page, told = _signals_on_page([(pipeline, asked), *([pages] if pages else [])])
    weights |= _fit_on_page(on_page, told)
    facts["on_page"] = _facts_on_page(on_page, told, seed)
    return Decision(weights, threshold, facts)


def _fit(
    signals: NDArray[np.float64], right: NDArray[np.intp], counting: NDArray[np.float64]
) -> dict[str, list[float]]:
    """Fit the stages of a search: to signals ``(n, 6)``, right statuses ``(n,)`` and what each counts ``(n,)``."""
    present = right != DECIDED.index("no_match")
    return {
        "matches": _regression(signals, present, counting, Signals._fields),
        "tells": _regression(signals[present], right[present] == 0, counting[present], _TELLING),
    }


def _fit_on_page(signals: NDArray[np.float64], told: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Fit the stage of a page: to signals ``(n, 6)``, and whether the description tells ``(n,)``."""
    return {"tells_on_page": _regression(signals, told, np.ones(len(told)), _TELLING_ON_PAGE)}


def _regression(
    signals: NDArray[np.float64], right: NDArray[np.bool_], counting: NDArray[np.float64], used: Sequence[str]
) -> list[float]:
    """Return the weights for signals that were not standardised, 0 for those that are not used, the intercept last."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    columns = [Signals._fields.index(name) for name in used]
    scaler = StandardScaler().fit(signals[:, columns])
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1_000)
    model.fit(scaler.transform(signals[:, columns]), right, sample_weight=counting)
    weights = np.zeros(len(Signals._fields) + 1)
    weights[columns] = model.coef_[0] / scaler.scale_
    weights[-1] = model.intercept_[0] - weights[columns] @ scaler.mean_
    return [round(float(weight), 6) for weight in weights]


def _probabilities(
    weights: Mapping[str, Sequence[float]], signals: NDArray[np.float64], *, on_page: bool = False
) -> NDArray[np.float64]:
    """Return the probabilities of the statuses ``(n, 3)``; on a page that nothing matches has none."""
    decision = Decision(weights, threshold=0.0)
    rows = [decision.probabilities(Signals(*row), on_page=on_page) for row in signals.tolist()]
    return np.asarray([[row.get(status, 0.0) for status in DECIDED] for row in rows])


def _signals(pipeline: ProductQA, asked: Sequence[Question]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the signals of questions ``(n, 6)``, and of which of them something fits."""
    found = pipeline.look([question.question for question in asked], min_confidence=0.0)
    signals = [read_signals(each.query, each.context, len(pipeline.index)) for each in found]
    return np.asarray(signals), np.asarray([each.status == "answered" for each in found])


def _signals_on_page(
    sources: Sequence[tuple[ProductQA, Sequence[Question]]],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the signals ``(n, 6)`` of questions for facts on their products' pages, and which are answerable."""
    signals, told = [], []
    for pipeline, questions in sources:
        for question in questions:
            if question.kind in ("fact", "unanswerable"):
                (found,) = pipeline.look([question.question], product=question.uids[0])
                signals.append(read_signals(found.query, found.context, len(pipeline.index)))
                told.append(question.kind == "fact")
    return np.asarray(signals), np.asarray(told)


def _facts_on_page(signals: NDArray[np.float64], told: NDArray[np.bool_], seed: int) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    unseen = np.empty(len(told))
    for known, left_out in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(signals, told):
        unseen[left_out] = _probabilities(_fit_on_page(signals[known], told[known]), signals[left_out], on_page=True)[
            :, 0
        ]
    answered = unseen >= ON_PAGE_FROM
    return {
        "questions": len(told),
        "answerable": int(told.sum()),
        "cross_validated": {
            "auroc": round(float(roc_auc_score(told, unseen)), 4),
            "answered": int(answered.sum()),
            "answered_rightly": int((answered & told).sum()),
        },
    }


def _threshold(probable: NDArray[np.float64], answerable: int) -> float:
    """Return the highest threshold that declines at most 12 % of the answerable questions, to four digits.

    Args:
        probable: For those that something fits, the probability that it is right to answer.
        answerable: How many there are in all.
    """
    declined_anyway = answerable - len(probable)
    lowest_answered: float = np.sort(probable)[max(0, int(MOST_REFUSED * answerable) - declined_anyway)]
    return math.floor(lowest_answered * 10_000) / 10_000


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
