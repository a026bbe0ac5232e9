"""What a question gets back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from retrieval.schema import Hit, Product

Status = Literal["answered", "not_in_description", "no_match", "ambiguous"]
_EDGE = r"(?!(?<=\w)(?:['\u2019/-]?\w|[.,]\d)|(?<=\w['\u2019/-])\w|(?<=\w[.,])\d)"
"""A place that is not inside a word or a number, of which "3.5-inch" is one."""


def places(quote: str, text: str) -> Iterator[int]:
    """Yield where a quote begins in a text, as whole words: "3 kg" does not stand in "13 kg"."""
    return (found.start() for found in re.finditer(f"{_EDGE}{re.escape(quote)}{_EDGE}", text))


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a statement comes from.

    Attributes:
        uid: The product.
        quote: A verbatim span of that product's title or content.
        field: Which of the two it stands in.
        start: Where it begins there, in characters.
        end: Where it ends there.
    """

    uid: str
    quote: str
    field: Literal["title", "content"]
    start: int
    end: int

    @classmethod
    def of(cls, product: Product, quote: str) -> Citation:
        """Cite a span of a product's text: its content, or its title where only that holds it.

        Where it stands more than once, the first place at which it is whole words is cited.

        Raises:
            ValueError: Neither holds it.
        """
        if quote in product.content and quote != product.title:
            start = next(places(quote, product.content), product.content.index(quote))
            return cls(product.uid, quote, "content", start, start + len(quote))
        start = next(places(quote, product.title), product.title.index(quote))
        return cls(product.uid, quote, "title", start, start + len(quote))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and what it rests on.

    Attributes:
        text: The answer, or the sentence that says why there is none.
        status: ``answered``; ``not_in_description``: the product is there, its description does not say it;
            ``no_match``: no product fits; ``ambiguous``: several fit equally.
        product: The product it speaks of; None without one.
        candidates: The products to choose from when it is ``ambiguous``.
        citations: The source of each statement, in the order of the text.
        hits: What the search found, best first.
        confidence: The probability, in [0, 1], that this is the right status: see ``qa.decision``.
        timings: Milliseconds by step.
        tokens: Lengths of what the language model read and of what it said in its tokens, ``prompt`` and
            ``completion``; empty where it was not asked, or runs on a server.
        notes: What was done to the model's words before they were shown.
        question: The question.
    """

    text: str
    status: Status
    product: Product | None = None
    candidates: tuple[Product, ...] = ()
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    confidence: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    question: str = ""

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain JSON data."""
        return asdict(self)


class AnswerStream(Iterator[str]):
    """Pieces of a checked answer; ``answer`` holds the whole when they have all been taken."""

    def __init__(self, parts: Iterator[str | Answer]) -> None:
        """Wrap the parts: pieces of text, then the answer."""
        self._parts = parts
        self.answer: Answer | None = None

    def __next__(self) -> str:
        """Return the next piece that is not empty."""
        for part in self._parts:
            if isinstance(part, Answer):
                self.answer = part
            elif part:
                return part
        raise StopIteration

    def close(self) -> None:
        """Stop the model."""
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()
