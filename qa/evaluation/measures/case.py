"""What a measure looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from qa.evaluation.arms import Arm
from qa.evaluation.errors import EvaluationError
from qa.evaluation.records import Record, Scores
from retrieval.question_file import FINDABLE, Question
from retrieval.schema import Product


class Tools(Protocol):
    """What measures need of models; everything they ask about has been computed beforehand."""

    def cosine(self, one: str, other: str) -> float:
        """Return the cosine of two texts by the index's encoder."""

    def token_match(self, candidate: str, reference: str) -> tuple[float, float, float]:
        """Return precision, recall and F1 of a greedy matching of token embeddings."""

    def perplexity(self, text: str) -> float:
        """Return the perplexity of a text under the untuned language model."""

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens of that model."""


@dataclass(frozen=True, slots=True)
class Case:
    """An answer, its question, and the products that both name.

    Attributes:
        question: The question.
        text: The answer.
        status: As in ``Answer``.
        arm: What gave it.
        right: The products that are right.
        hits: What the search found, best first.
        product: The product it speaks of.
        citations: Pairs of product and quote.
        confidence: As in ``Answer``.
        milliseconds: What it took.
        model_tokens: As ``tokens`` in ``Answer``.
        tools: Models.
    """

    question: Question
    text: str
    status: str
    arm: Arm
    right: tuple[Product, ...]
    hits: tuple[Product, ...]
    product: Product | None
    citations: tuple[tuple[Product, str], ...]
    confidence: float
    milliseconds: float
    model_tokens: dict[str, int]
    tools: Tools

    @property
    def is_answered(self) -> bool:
        """Tell whether it answers, rather than declines or asks back."""
        return self.status == "answered"

    @property
    def has_right_product(self) -> bool:
        """Tell whether there is one right product to find."""
        return self.question.kind in FINDABLE

    def is_right(self, product: Product) -> bool:
        """Tell whether a product, or a twin of it, is right."""
        return product.is_any_of(self.question.uids)


Measure = Callable[[Case], Scores]


def case_of(record: Record, arm: Arm, find: Callable[[str], Product | None], tools: Tools) -> Case:
    """Look the products of a record up.

    Raises:
        EvaluationError: A product is not in the index, or the answer's time was not taken.
    """

    def product(uid: str) -> Product:
        found = find(uid)
        if found is None:
            raise EvaluationError(f"Question {record.key[2] + 1} names product {uid}, which is not in the index.")
        return found

    given = record.given
    if "total" not in given.timings:
        raise EvaluationError(f"Arm {arm.name} did not time its answer to question {record.key[2] + 1}.")
    return Case(
        question=record.question,
        text=given.text,
        status=given.status,
        arm=arm,
        right=tuple(dict.fromkeys(map(product, record.question.uids))),
        hits=tuple(map(product, given.hits)),
        product=product(given.product) if given.product else None,
        citations=tuple((product(uid), quote) for uid, quote in given.citations),
        confidence=given.confidence,
        milliseconds=given.timings["total"],
        model_tokens=given.tokens,
        tools=tools,
    )
