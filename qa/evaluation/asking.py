"""Putting the questions to the arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qa.evaluation.arms import Arm, Reader
from qa.evaluation.conditions import Condition
from qa.evaluation.errors import EvaluationError
from qa.evaluation.journal import Journal
from qa.evaluation.records import Given, Record
from qa.evaluation.tools import ShowProgress
from retrieval.question_file import Question

if TYPE_CHECKING:
    from qa.engine import ProductQA
    from retrieval.encoder import Encoder

TOGETHER = 8
"""Questions an arm gets at a time. The groups are the same after an interruption, so that the same words come out."""


class Pipelines(Protocol):
    """Opens the pipelines that arms run on."""

    def open(self, reader: Reader, k: int | None) -> ProductQA:
        """Return the pipeline of a reader that shows ``k`` products; None for as many as it shows by itself."""


class OpenedPipelines:
    """Pipelines over one index, with one encoder; one is held at a time."""

    def __init__(self, index: Path, model: str, adapter: str, encoder: Encoder) -> None:
        """Remember what to open.

        Args:
            index: Index folder.
            model: Hub id or folder of the language model.
            adapter: What tunes it: ``auto`` or a folder.
            encoder: The index's encoder.
        """
        self._index = index
        self._encoder = encoder
        self._choices: dict[Reader, tuple[str, str]] = {
            "extractive": ("extractive", "none"),
            "untuned": (model, "none"),
            "tuned": (model, adapter),
        }
        self._opened: tuple[Reader, int | None, ProductQA] | None = None

    def open(self, reader: Reader, k: int | None) -> ProductQA:
        """Return the pipeline of a reader that shows ``k`` products; None for as many as it shows by itself."""
        from qa.engine import ProductQA

        if self._opened is None or self._opened[:2] != (reader, k):
            self._opened = None  # the weights go before others come
            model, adapter = self._choices[reader]
            open_with = partial(ProductQA.open, self._index, model, adapter=adapter, encoder=self._encoder)
            opened = open_with() if k is None else open_with(k=k)
            self._opened = reader, k, opened
        return self._opened[2]


def ask(
    arms: Mapping[str, Arm],
    conditions: Sequence[Condition],
    questions: Sequence[Question],
    pipelines: Pipelines,
    journal: Journal,
    *,
    seen: Sequence[bool | None],
    progress: ShowProgress,
) -> list[Record]:
    """Put every question to every arm it fits, but for what the journal holds already.

    Args:
        arms: The arms.
        conditions: The circumstances; those beyond the first are for arms that search.
        questions: The questions.
        pipelines: What the arms run on.
        journal: Where answers are kept.
        seen: Of each question, whether its product was tuned on.
        progress: Called with step, done and total.

    Returns:
        One record an answer, by condition, arm and question.

    Raises:
        EvaluationError: An arm gave another number of answers than it got questions.
    """
    plan = [
        (arm, condition, [(arm.name, condition.name, place) for place, q in enumerate(questions) if arm.fits(q)])
        for number, condition in enumerate(conditions)
        for arm in arms.values()
        if number == 0 or arm.searches
    ]
    total, done = sum(len(keys) for _, _, keys in plan), 0
    for arm, condition, keys in sorted(plan, key=lambda step: (step[0].reader, step[1].k or 0)):
        for start in range(0, len(keys), TOGETHER):
            group = keys[start : start + TOGETHER]
            if any(key not in journal for key in group):
                changed = [condition.change(questions[place]) for _, _, place in group]
                answers = arm.ask(pipelines.open(arm.reader, condition.k), changed)
                if len(answers) != len(group):
                    raise EvaluationError(f"Arm {arm.name} gave {len(answers)} answers to {len(group)} questions.")
                journal.add(
                    Record(key, questions[key[2]], seen[key[2]], Given.of(answer))
                    for key, answer in zip(group, answers, strict=True)
                    if key not in journal
                )
            done += len(group)
            progress("answer", done, total)
    return [Record(key, questions[key[2]], seen[key[2]], journal[key]) for _, _, keys in plan for key in keys]
