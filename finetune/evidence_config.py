"""The configuration of an evidence ranker's tuning: what ``evidence-minilm.toml`` of ``finetune/configs`` sets."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.errors import UsageError
from retrieval.models import BASE_ENCODER


@dataclass(frozen=True, slots=True)
class EvidenceConfig:
    """How an evidence ranker is tuned.

    Attributes:
        base: Hub id or folder of the encoder whose weights it starts from.
        seed: Of the first weights, of the order of the questions and of the draw of candidates.
        rank: Rank of the adapter.
        alpha: Its scale: ``alpha / rank`` times the product of its matrices is added to the weights.
        max_steps: Optimiser steps; the questions come round as often as that takes.
        batch_size: Questions a step.
        learning_rate: At the end of the warm-up; then it falls linearly to 0.
        warmup_steps: Steps of rising learning rate; below 1 a share of all steps.
        weight_decay: AdamW's.
        own_candidates: Pieces of the right product that answer less, beside each that answers.
        other_candidates: Pieces of the first product that is found and not right. For questions which product it is
            the two change places.
        max_tokens: Tokens of question and candidate that are read.
    """

    base: str = BASE_ENCODER
    seed: int = 0
    rank: int = 16
    alpha: int = 32
    max_steps: int = 260
    batch_size: int = 16
    learning_rate: float = 8e-4
    warmup_steps: float = 0.08
    weight_decay: float = 0.01
    own_candidates: int = 6
    other_candidates: int = 2
    max_tokens: int = 128

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: A value is out of range; the message names its key.
        """
        for key in ("rank", "alpha", "max_steps", "batch_size", "learning_rate", "own_candidates", "max_tokens"):
            if getattr(self, key) <= 0:
                raise UsageError(f"{key} is {getattr(self, key)}; it must be above 0.")
        if self.other_candidates < 0:
            raise UsageError(f"other_candidates is {self.other_candidates}; it must not be negative.")
        if not 0 <= self.warmup_steps < self.max_steps:
            raise UsageError(f"warmup_steps is {self.warmup_steps}; it must be at least 0 and below max_steps.")
