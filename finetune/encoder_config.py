"""The configuration of an encoder's tuning: what an ``encoder-*.toml`` of ``finetune/configs`` sets."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.errors import UsageError
from retrieval.models import BASE_ENCODER


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """How an encoder is tuned.

    Attributes:
        base: Hub id or folder of the sentence-transformers model.
        seed: Of the adapter's first weights, of the order of the questions and of the draw of lookalikes.
        rank: Rank of the adapter (Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022).
        alpha: Its scale: ``alpha / rank`` times the product of its matrices is added to the weights.
        dropout: Before the adapter, while it is trained.
        merge_share: Share of what was learned that is added, in (0, 1]: less keeps nearer to the base, which knows
            titles well (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). It needs no other
            training: the adapter is saved with ``alpha * merge_share``.
        max_steps: Optimiser steps; the questions come round as often as that takes.
        batch_size: Questions a step; each is told apart from the passages of all others.
        learning_rate: At the end of the warm-up; then it falls linearly to 0.
        warmup_steps: Steps of rising learning rate; below 1 a share of all steps.
        weight_decay: AdamW's.
        hard_negatives: Lookalikes for each question, beside the other passages of the batch.
        mining_depth: First hits of the index's search that lookalikes are drawn from.
        scale: Factor of the cosines before the softmax, the inverse of its temperature.
        passage_tokens: Tokens of a passage that are read.
    """

    base: str = BASE_ENCODER
    seed: int = 0
    rank: int = 32
    alpha: int = 64
    dropout: float = 0.0
    merge_share: float = 1.0
    max_steps: int = 200
    batch_size: int = 64
    learning_rate: float = 8e-4
    warmup_steps: float = 0.08
    weight_decay: float = 0.01
    hard_negatives: int = 1
    mining_depth: int = 30
    scale: float = 20.0
    passage_tokens: int = 112

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: A value is out of range; the message names its key.
        """
        for key in ("rank", "alpha", "max_steps", "learning_rate", "mining_depth", "scale", "passage_tokens"):
            if getattr(self, key) <= 0:
                raise UsageError(f"{key} is {getattr(self, key)}; it must be above 0.")
        if self.batch_size < 2:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 2, to tell questions apart.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; it must be in [0, 1).")
        if not 0 <= self.warmup_steps < self.max_steps:
            raise UsageError(f"warmup_steps is {self.warmup_steps}; it must be at least 0 and below max_steps.")
        if not 0 < self.merge_share <= 1:
            raise UsageError(f"merge_share is {self.merge_share}; it must be in (0, 1].")
        if not 0 <= self.hard_negatives <= self.mining_depth:
            raise UsageError(f"hard_negatives is {self.hard_negatives}; it must be between 0 and mining_depth.")
