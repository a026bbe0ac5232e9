"""Lengths of examples in tokens, and the examples that training must not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune.masks import Example
from retrieval.errors import UsageError

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of a set of examples, in tokens.

    Attributes:
        rows: How many examples.
        tokens: Sum of their lengths.
        loss_tokens: Sum of their tokens that bear loss.
        total: Quantiles of the lengths.
        completion: Quantiles of the tokens that bear loss.
        cut: Places of rows longer than ``max_length``, whose completion would be cut off.
        cut_oracles: Places of those among them whose prompt holds the product that was asked about.
        without_labels: Places of rows in which no token bears loss.
    """

    rows: int
    tokens: int
    loss_tokens: int
    total: dict[str, int]
    completion: dict[str, int]
    cut: tuple[str, ...]
    cut_oracles: tuple[str, ...]
    without_labels: tuple[str, ...]

    @classmethod
    def of(cls, examples: Sequence[Example], max_length: int) -> Lengths:
        """Measure examples against a limit in tokens."""
        total, completion = [len(example) for example in examples], [example.loss_tokens for example in examples]
        cut = [example.row for example in examples if len(example) > max_length]
        return cls(
            rows=len(examples),
            tokens=sum(total),
            loss_tokens=sum(completion),
            total=_quantiles(total),
            completion=_quantiles(completion),
            cut=tuple(row.place for row in cut),
            cut_oracles=tuple(row.place for row in cut if row.oracle),
            without_labels=tuple(example.row.place for example in examples if not example.loss_tokens),
        )

    def check(self, max_length: int) -> None:
        """Refuse what would train on something else than it says.

        Raises:
            UsageError: There are no rows, a row has no label, or a row would be cut.
        """
        if not self.rows:
            raise UsageError("There are no rows to train on.")
        if self.without_labels:
            raise UsageError(
                f"{len(self.without_labels)} of {self.rows} rows have no token that bears loss (an empty completion): "
                f"{_named(self.without_labels)}."
            )
        if self.cut:
            raise UsageError(
                f"{len(self.cut)} of {self.rows} rows are longer than max_length = {max_length} and would lose their "
                f"completion ({len(self.cut_oracles)} hold the product asked about): {_named(self.cut)}. The longest "
                f"has {self.total['1']} tokens; raise max_length, or prepare rows with less context."
            )

    def facts(self) -> dict[str, Any]:
        """Return the counts and quantiles."""
        return {
            "rows": self.rows,
            "tokens": self.tokens,
            "loss_tokens": self.loss_tokens,
            "length": self.total,
            "completion_length": self.completion,
            "cut": len(self.cut),
            "cut_oracles": len(self.cut_oracles),
            "without_labels": len(self.without_labels),
        }


def _quantiles(values: Sequence[int]) -> dict[str, int]:
    if not values:
        return {}
    found = np.quantile(values, _QUANTILES, method="higher")
    return {f"{share:g}": int(value) for share, value in zip(_QUANTILES, found, strict=True)}


def _named(places: Sequence[str]) -> str:
    rest = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return ", ".join(places[:_NAMED]) + rest
