"""Questions with the passage of their product and with passages of lookalikes: what an encoder is tuned on."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.build import BuildOptions, passage
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.question_file import FINDABLE, Question
from retrieval.schema import Product
from retrieval.text import terms

_SEARCHED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Fold:
    """One of ``count`` parts, about equal, that the products of a catalogue fall into.

    Attributes:
        number: Which of them, from 1.
        count: How many there are.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: There are fewer than two folds, or no fold of that number.
        """
        if self.count < 2 or not 1 <= self.number <= self.count:
            raise UsageError(f"Fold {self} does not exist; give one such as 1/5, 2/5, … 5/5.")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Fold:
        """Read a fold such as ``2/5``.

        Raises:
            UsageError: It is not of that form, or does not exist.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise UsageError(f"Fold {text} cannot be read; give one such as 1/5, 2/5, … 5/5.")
        return cls(int(number), int(count))

    def holds(self, product: Product) -> bool:
        """Tell whether a product falls in this fold: by the SHA-256 of its uid, the same on every machine."""
        digest = hashlib.sha256(product.uid.encode()).digest()
        return int.from_bytes(digest) % self.count + 1 == self.number


@dataclass(frozen=True, slots=True)
class Example:
    """A question among passages.

    Attributes:
        question: As search gives it to the encoder.
        passage: Of the right product, as the index encodes it.
        lookalikes: Passages of products that are found for the question and are not right.
    """

    question: str
    passage: str
    lookalikes: tuple[str, ...]


def mine_examples(
    index: HybridIndex,
    questions: Sequence[Question],
    *,
    lookalikes: int,
    depth: int,
    seed: int,
    leave_out: Fold | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Example]:
    """Find each question's product and draw lookalikes from what the index's own search returns for it.

    The first hits that are wrong are the hardest to tell apart (Karpukhin et al., "Dense passage retrieval for
    open-domain question answering", EMNLP 2020). Never a lookalike: a right product, and one that has the title terms
    or the content of a right product, as it may well be right too.

    Args:
        index: Opened with ``rerank="none"``.
        questions: Those without one right product, or whose product is not in the index, are left out.
        lookalikes: Drawn for each question; questions that have fewer are left out.
        depth: First hits to draw from.
        seed: Seed of the draw.
        leave_out: Leave out the questions whose product falls in this fold.
        progress: Called with questions done and their number.

    Raises:
        UsageError: No question is left.
    """
    asked = [
        (question, right)
        for question in questions
        if question.kind in FINDABLE and (right := _right_products(index, question))
        if leave_out is None or not leave_out.holds(right[0])
    ]
    draw = random.Random(seed)
    as_encoded = passage_of(index)
    examples = []
    for start in range(0, len(asked), _SEARCHED_AT_ONCE):
        some = asked[start : start + _SEARCHED_AT_ONCE]
        queries = [index.query(question.question) for question, _ in some]
        for (_, right), query, hits in zip(some, queries, index.search_queries(queries, depth), strict=True):
            wrong = [hit.product for hit in hits if not any(_may_be_right(hit.product, one) for one in right)]
            if len(wrong) >= lookalikes:
                drawn = tuple(map(as_encoded, draw.sample(wrong, lookalikes)))
                examples.append(Example(query.english, as_encoded(right[0]), drawn))
        if progress is not None:
            progress(start + len(some), len(asked))
    if not examples:
        raise UsageError(
            f"None of {len(questions)} questions can be learned from: their products are not in {index.folder}, or "
            f"fewer than {lookalikes} wrong ones are found beside them."
        )
    return examples


def _right_products(index: HybridIndex, question: Question) -> list[Product]:
    return [product for uid in question.uids if (product := index.product(uid)) is not None]


def _may_be_right(product: Product, right: Product) -> bool:
    return (
        product.uid == right.uid
        or product.content == right.content
        or set(terms(product.title)) == set(terms(right.title))
    )


def passage_of(index: HybridIndex) -> Callable[[Product], str]:
    """Return the function that gives the text of a product which an index encodes."""
    encoder: dict[str, Any] = index.manifest["encoder"]
    options = BuildOptions(fields=tuple(encoder["fields"]), lead_words=encoder["lead_words"])
    return lambda product: passage(product, options)
