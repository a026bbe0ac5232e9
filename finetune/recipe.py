"""A training recipe: what a configuration file of ``finetune/configs`` sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retrieval.errors import UsageError
from retrieval.models import DEFAULT_LANGUAGE_MODEL

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is trained.

    Attributes:
        model: Base model: a local folder, an installed package's model, or a hub id.
        max_length: Longest row in tokens, prompt and completion together. Longer rows are refused, never cut.
        precision: What is computed in; ``auto`` takes bfloat16 where the hardware gains by it, else float16 on a GPU
            and float32 on a CPU.
        quantize: How the frozen base weights are held; ``nf4`` with double quantisation is QLoRA
            (Dettmers et al., 2023, https://arxiv.org/abs/2305.14314).
        rank: LoRA's r (Hu et al., 2021, https://arxiv.org/abs/2106.09685).
        alpha: LoRA's scale is alpha / rank.
        dropout: On LoRA's input.
        target_modules: Names of the layers that get an adapter; ``all-linear`` means every one but the output layer.
        batch_size: Rows a device takes in one pass when ``tokens_per_pass`` is 0.
        accumulation: A step sees ``batch_size * accumulation`` rows on each device.
        tokens_per_pass: A bound on rows times longest row of one pass, padding included; 0 means ``batch_size`` rows.
            One process only: with several, each takes ``batch_size`` rows a pass.
        gradient_checkpointing: Compute activations twice instead of keeping them: less memory, a third more time.
        epochs: How often each row is seen, unless ``max_steps`` is given.
        max_steps: Optimiser steps; 0 means as many as ``epochs`` needs.
        learning_rate: At the end of the warm-up.
        schedule: How the learning rate falls to zero.
        warmup_steps: Steps of rising learning rate; below 1 a share of all steps.
        weight_decay: Of AdamW.
        max_gradient_norm: Gradients are scaled down to this norm.
        optimizer: ``adamw_8bit`` needs bitsandbytes, and becomes ``adamw_torch`` where that is not installed.
        seed: Of the adapter's first weights and of the order of rows.
        log_steps: Steps between two lines of the log.
        evaluate_steps: Steps between two evaluations, each followed by a checkpoint.
        evaluation_rows: How many rows of ``evaluation.jsonl`` an evaluation takes, spread over the file; 0 means all.
        patience: Evaluations without a better loss before training stops and the best adapter is taken; 0 means never.
        samples: Rows whose greedy completion is logged at each evaluation.
    """

    model: str = DEFAULT_LANGUAGE_MODEL
    max_length: int = 2048
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantize: Literal["none", "nf4"] = "none"
    rank: int = 16
    alpha: int = 16
    dropout: float = 0.0
    target_modules: tuple[str, ...] = ("all-linear",)
    batch_size: int = 2
    accumulation: int = 8
    tokens_per_pass: int = 0
    gradient_checkpointing: bool = False
    epochs: float = 1.0
    max_steps: int = 0
    learning_rate: float = 2e-4
    schedule: Literal["linear", "cosine"] = "linear"
    warmup_steps: float = 0.03
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    optimizer: Literal["adamw_torch", "adamw_8bit"] = "adamw_torch"
    seed: int = 3407
    log_steps: int = 10
    evaluate_steps: int = 100
    evaluation_rows: int = 200
    patience: int = 0
    samples: int = 3

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: A value outside its range.
        """
        for name in ("max_length", "rank", "alpha", "batch_size", "accumulation", "log_steps", "evaluate_steps"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("tokens_per_pass", "max_steps", "evaluation_rows", "patience", "samples", "warmup_steps"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        for name in ("epochs", "learning_rate", "max_gradient_norm"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be more than 0.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}; it must be at least 0 and below 1.")
        if not self.target_modules:
            raise UsageError('target_modules is empty; name layers, or give ["all-linear"].')

    @property
    def rows_per_step(self) -> int:
        """Rows one device contributes to an optimiser step."""
        return self.batch_size * self.accumulation
