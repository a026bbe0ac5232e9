"""One answer of one arm, as it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qa.answers import Answer
from retrieval.question_file import Question

AS_ASKED = "as asked"
"""The condition of the main run: the question as it stands, the usual number of products looked at."""
ANSWERS_FORMAT = 2
"""Of ``answers.jsonl``; the first did not count tokens."""
Key = tuple[str, str, int]
"""Arm, condition, and the place of the question in its file."""
Scores = dict[str, float | None]
"""Score by name; None where a score does not apply to the answer."""


@dataclass(frozen=True, slots=True)
class Given:
    """What an arm gave for a question, products by their uid.

    Attributes:
        text: The answer.
        status: As in ``Answer``.
        product: The product it speaks of, if any.
        candidates: The products it asks to choose from.
        citations: Pairs of uid and quote.
        hits: What the search found, best first.
        confidence: As in ``Answer``.
        timings: Milliseconds by step.
        tokens: As in ``Answer``.
        notes: As in ``Answer``.
    """

    text: str
    status: str
    product: str | None
    candidates: tuple[str, ...]
    citations: tuple[tuple[str, str], ...]
    hits: tuple[str, ...]
    confidence: float
    timings: dict[str, float]
    tokens: dict[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, answer: Answer) -> Given:
        """Take what is written down from an answer."""
        return cls(
            text=answer.text,
            status=answer.status,
            product=answer.product.uid if answer.product else None,
            candidates=tuple(product.uid for product in answer.candidates),
            citations=tuple((citation.uid, citation.quote) for citation in answer.citations),
            hits=tuple(hit.product.uid for hit in answer.hits),
            confidence=answer.confidence,
            timings=answer.timings,
            tokens=answer.tokens,
            notes=answer.notes,
        )

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> Given:
        """Read it back from a line of ``answers.jsonl``."""
        return cls(
            text=line["text"],
            status=line["status"],
            product=line["product"],
            candidates=tuple(line["candidates"]),
            citations=tuple((citation["uid"], citation["quote"]) for citation in line["citations"]),
            hits=tuple(line["hits"]),
            confidence=line["confidence"],
            timings=line["timings"],
            tokens=line["tokens"],
            notes=tuple(line["notes"]),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """An answer and the question it was given for.

    Attributes:
        key: Arm, condition, place of the question.
        question: The question as it stands in its file.
        seen: Whether the reader was tuned on its product; None when that is not known.
        given: What the arm gave.
    """

    key: Key
    question: Question
    seen: bool | None
    given: Given

    def as_line(self, scores: Scores | None = None) -> dict[str, Any]:
        """Return the line of ``answers.jsonl``."""
        arm, condition, number = self.key
        question, given = self.question, self.given
        line: dict[str, Any] = {
            "arm": arm,
            "condition": condition,
            "number": number,
            "question": question.question,
            "kind": question.kind,
            "lang": question.lang,
            "noise": question.noise,
            "seen": self.seen,
            "uids": list(question.uids),
            "reference": question.answer,
            "evidence": question.evidence,
            "text": given.text,
            "status": given.status,
            "product": given.product,
            "candidates": list(given.candidates),
            "citations": [{"uid": uid, "quote": quote} for uid, quote in given.citations],
            "hits": list(given.hits),
            "confidence": given.confidence,
            "timings": given.timings,
            "tokens": given.tokens,
            "notes": list(given.notes),
        }
        return line if scores is None else line | {"scores": scores}
