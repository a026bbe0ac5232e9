"""Grounded answers to shoppers' questions about products."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from qa.answers import Answer, Citation
from retrieval.errors import ProductQAError

if TYPE_CHECKING:
    from qa.engine import ProductQA

__all__ = ["Answer", "Citation", "ProductQA", "ProductQAError", "answer", "warmup"]


def answer(
    question: str,
    *,
    product: str | None = None,
    retrieval: bool = True,
    min_confidence: float | None = None,
    previous: Answer | None = None,
) -> Answer:
    """Answer a question with the default index and model, opened once: see ``ProductQA.open`` and ``ProductQA.answer``.

    >>> import qa
    >>> print(qa.answer("What is Nice for Mice?"))  # doctest: +SKIP
    """
    return _default().answer(
        question, product=product, retrieval=retrieval, min_confidence=min_confidence, previous=previous
    )


def warmup() -> None:
    """Open the default index and load every model, so that the first answer comes as fast as the next."""
    _default().warmup()


@cache
def _default() -> ProductQA:
    from qa.engine import ProductQA

    return ProductQA.open()


def __getattr__(name: str) -> Any:
    if name == "ProductQA":
        from qa.engine import ProductQA

        return ProductQA
    raise AttributeError(f"module 'qa' has no attribute {name!r}")
