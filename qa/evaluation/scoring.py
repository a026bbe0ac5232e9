"""From answers to a table of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qa.evaluation.arms import Arm
from qa.evaluation.errors import EvaluationError
from qa.evaluation.measures.case import Case, Measure, Tools, case_of
from qa.evaluation.records import Record, Scores
from qa.evaluation.weighted import Floats
from retrieval.schema import Product


class ScoreTable:
    """The scores of one arm, a row for each question of the file; NaN where a score does not apply."""

    def __init__(self, numbers: Sequence[int], scores: Sequence[Scores], questions: int) -> None:
        """Lay the scores out.

        Args:
            numbers: Places of the questions asked.
            scores: The scores of their answers.
            questions: Questions in the file.
        """
        self.asked: NDArray[np.bool_] = np.zeros(questions, dtype=np.bool_)
        self.asked[list(numbers)] = True
        self._columns: dict[str, Floats] = {}
        for name in dict.fromkeys(name for row in scores for name in row):
            column = np.full(questions, np.nan)
            column[list(numbers)] = [np.nan if row[name] is None else row[name] for row in scores]
            self._columns[name] = column

    def columns(self, names: Sequence[str]) -> Floats:
        """Return scores ``(questions, names)``.

        Raises:
            EvaluationError: No measure gave one of them.
        """
        missing = [name for name in names if name not in self._columns]
        if missing:
            raise EvaluationError(f"No measure gave the score {missing[0]}, so its figure cannot be computed.")
        return np.stack([self._columns[name] for name in names], axis=1)


def tables_of(records: Sequence[Record], scores: Sequence[Scores], questions: int) -> dict[str, dict[str, ScoreTable]]:
    """Return the scores by condition and arm.

    Args:
        records: The answers.
        scores: The scores of each.
        questions: Questions in the file.
    """
    rows: dict[str, dict[str, dict[int, Scores]]] = {}
    for record, row in zip(records, scores, strict=True):
        arm, condition, number = record.key
        rows.setdefault(condition, {}).setdefault(arm, {})[number] = row
    return {
        condition: {arm: ScoreTable(list(own), list(own.values()), questions) for arm, own in by_arm.items()}
        for condition, by_arm in rows.items()
    }


def score_records(
    records: Sequence[Record],
    arms: Mapping[str, Arm],
    measures: Sequence[Measure],
    find: Callable[[str], Product | None],
    tools: Tools,
) -> list[Scores]:
    """Score answers.

    Args:
        records: The answers.
        arms: The arms that gave them.
        measures: What to score them with.
        find: Returns the product of a uid.
        tools: Models, prepared for these answers.

    Raises:
        EvaluationError: A score cannot be computed; the message names arm, question and reason.
    """
    return [_scores(case_of(record, arms[record.key[0]], find, tools), record, measures) for record in records]


def _scores(case: Case, record: Record, measures: Sequence[Measure]) -> Scores:
    scores: Scores = {}
    arm, condition, number = record.key
    for measure in measures:
        try:
            scores |= measure(case)
        except EvaluationError:
            raise
        except Exception as error:
            told = f"{measure.__module__} cannot score arm {arm} ({condition}), question {number + 1}"
            raise EvaluationError(f"{told}: {type(error).__name__}: {error}.") from error
    for name, value in scores.items():
        if value is not None and not math.isfinite(value):
            raise EvaluationError(f"{name} of arm {arm} ({condition}), question {number + 1}, is {value}: no figure.")
    return {name: None if value is None else round(value, 6) for name, value in scores.items()}
