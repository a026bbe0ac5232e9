"""Putting the questions to the arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from qa.decision import Decision
from qa.engine import ProductQA
from qa.evaluation.arms import Arm, Reader
from qa.evaluation.conditions import Condition
from qa.evaluation.errors import EvaluationError
from qa.evaluation.journal import Journal
from qa.evaluation.records import Given, Record
from qa.evaluation.tools import ShowProgress
from qa.generators.base import Generator
from qa.generators.transformers_lm import TransformersGenerator
from qa.judging import Asked
from retrieval.context import PROMPT_PRODUCTS
from retrieval.evidence import EvidenceRanker
from retrieval.index import HybridIndex
from retrieval.models import find_adapter
from retrieval.question_file import Question

TOGETHER = 8
"""Questions an arm gets at a time. The groups are the same after an interruption, so that the same words come out."""
_Looks = dict[tuple[int, tuple[str, ...], str | None, float | None], list[Asked]]


class Pipelines(Protocol):
    """Opens the pipelines that arms run on."""

    def open(self, reader: Reader, k: int | None) -> ProductQA:
        """Return the pipeline of a reader that looks at ``k`` products; None for as many as it does by itself."""


class OpenedPipelines:
    """Pipelines over one index; one language model is held at a time."""

    def __init__(
        self, index: HybridIndex, ranker: EvidenceRanker, decision: Decision, model: str, adapter: str
    ) -> None:
        """Remember what to open.

        Args:
            index: The index.
            ranker: Chooses what is shown of a product.
            decision: Decides between answering and declining.
            model: Hub id or folder of the language model.
            adapter: What tunes it: ``auto`` or a folder.
        """
        self._index = index
        self._model = model
        self._adapters: dict[Reader, Path | None] = {"untuned": None, "tuned": find_adapter(adapter, model)}
        self._ranker = ranker
        self._decision = decision
        self._looks: _Looks = {}
        self._held: tuple[Reader, Generator | None] | None = None

    def open(self, reader: Reader, k: int | None) -> ProductQA:
        """Return the pipeline of a reader that looks at ``k`` products; None for as many as it does by itself."""
        k = k or PROMPT_PRODUCTS
        if self._held is not None and self._held[0] == reader:
            return self._over(self._held[1], k)
        self._held = None  # the weights go before others come
        generator = None if reader == "extractive" else TransformersGenerator(self._model, self._adapters[reader])
        self._held = reader, generator
        pipeline = self._over(generator, k)
        pipeline.warmup()  # loading is no part of the time that an answer takes
        return pipeline

    def _over(self, generator: Generator | None, k: int) -> ProductQA:
        return _SharedLooks(self._looks, self._index, generator, ranker=self._ranker, decision=self._decision, k=k)


class _SharedLooks(ProductQA):
    """A pipeline that shares with others what they have looked at, with the time that it took.

    They have index, ranker and decision in common, so what they would see is the same.
    """

    def __init__(self, looks: _Looks, index: HybridIndex, generator: Generator | None, **options: Any) -> None:
        super().__init__(index, generator, **options)
        self._looks = looks

    def look(
        self, questions: Sequence[str], *, product: str | None = None, min_confidence: float | None = None
    ) -> list[Asked]:
        key = (self.k, tuple(questions), product, min_confidence)
        if key not in self._looks:
            self._looks[key] = super().look(questions, product=product, min_confidence=min_confidence)
        return self._looks[key]


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
