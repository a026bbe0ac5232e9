"""What there is to see before a run: lengths, masks, and what it will take."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.base_model import BaseModel, precision_of
from finetune.lengths import Lengths
from finetune.masks import IGNORED, Example, spread
from finetune.recipe import Recipe
from finetune.resources import GIB, Device, matrix_flops

_SHOWN = 3
_REACHED = 0.65  # share of a plain matrix product's speed that training reaches
_PROCESS_BYTES = 0.8 * GIB  # Python and the libraries
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take on this machine.

    Attributes:
        steps: Optimiser steps.
        tokens: Tokens to train on, padding not counted.
        seconds: Of training; evaluations not counted.
        memory: Peak, in bytes.
        device: The machine.
    """

    steps: int
    tokens: int
    seconds: float
    memory: float
    device: Device

    @classmethod
    def of(cls, recipe: Recipe, base: BaseModel, lengths: Lengths) -> Estimate:
        """Estimate by counting operations, and by the speed of one matrix product of the model's shape.

        A token costs 2 operations a weight forwards and 2 backwards (the weights are frozen, so only the gradient of
        the activations is computed), 2 more with checkpointing.
        """
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(base.folder)
        hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
        heads_of_keys = config.num_key_value_heads / config.num_attention_heads
        layer = hidden * hidden * (2 + 2 * heads_of_keys) + 3 * hidden * inner
        weights, output = layer * layers, config.vocab_size * hidden
        precision = precision_of(recipe)
        size = _BYTES[precision]

        longest = lengths.total.get("1", 0)
        per_pass = max(recipe.tokens_per_pass or recipe.batch_size * longest, longest)
        labels = per_pass * lengths.loss_tokens / max(lengths.tokens, 1)
        epochs = recipe.epochs if not recipe.max_steps else recipe.max_steps * recipe.rows_per_step / lengths.rows
        tokens = epochs * lengths.tokens
        passes = 3 if recipe.gradient_checkpointing else 2
        operations = 2 * passes * weights * tokens + 4 * output * epochs * lengths.loss_tokens
        kept = (12 * hidden + 4 * inner) * size
        activations = per_pass * (kept + hidden * size * layers if recipe.gradient_checkpointing else kept * layers)
        embeddings = output if config.tie_word_embeddings else 2 * output
        held = (0.53 if recipe.quantize == "nf4" else size) * weights + size * embeddings
        speed = _REACHED * matrix_flops(precision, per_pass, hidden, inner)
        return cls(
            steps=recipe.max_steps or math.ceil(recipe.epochs * math.ceil(lengths.rows / recipe.rows_per_step)),
            tokens=round(tokens),
            seconds=operations / speed,
            memory=_PROCESS_BYTES + held + activations + 3 * labels * config.vocab_size * 4,
            device=Device.here(),
        )

    def facts(self) -> dict[str, Any]:
        """Return steps, tokens, seconds and memory."""
        return {
            "steps": self.steps,
            "tokens": self.tokens,
            "seconds": round(self.seconds),
            "memory_peak_gib": round(self.memory / GIB, 1),
            "device": self.device.facts(),
        }


@dataclass(frozen=True, slots=True)
class Preflight:
    """A recipe and its rows, looked at before training.

    Attributes:
        recipe: The recipe.
        train: Lengths of the rows to train on.
        evaluation: Lengths of the held-out rows; None when there are none.
        shown: A few training examples.
        estimate: What the run will take.
    """

    recipe: Recipe
    train: Lengths
    evaluation: Lengths | None
    shown: tuple[Example, ...]
    estimate: Estimate

    @classmethod
    def of(cls, recipe: Recipe, base: BaseModel, examples: Sequence[Example], held_out: Sequence[Example]) -> Preflight:
        """Look at examples.

        Raises:
            UsageError: There are none.
        """
        train = Lengths.of(examples, recipe.max_length)
        evaluation = Lengths.of(held_out, recipe.max_length) if held_out else None
        return cls(recipe, train, evaluation, tuple(spread(examples, _SHOWN)), Estimate.of(recipe, base, train))

    def check(self) -> None:
        """Refuse rows that would be cut or that have nothing to learn.

        Raises:
            UsageError: Such rows are there; the message names some.
        """
        for lengths in (self.train, self.evaluation):
            if lengths:
                lengths.check(self.recipe.max_length)

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "recipe": dataclasses.asdict(self.recipe),
            "train": self.train.facts(),
            "evaluation": self.evaluation.facts() if self.evaluation else None,
            "estimate": self.estimate.facts(),
            "examples": [
                {"row": example.row.place, "input_ids": example.input_ids, "labels": example.labels}
                for example in self.shown
            ],
        }

    def text(self, tokenizer: Any) -> str:
        """Return a report for people: lengths, estimate, and the examples with the tokens that bear loss marked."""
        lines = []
        for name, lengths in (("train", self.train), ("evaluation", self.evaluation)):
            if lengths:
                lines.append(
                    f"{name}: {lengths.rows} rows, {lengths.tokens} tokens, {lengths.loss_tokens} of them bear loss; "
                    f"{len(lengths.cut)} rows longer than {self.recipe.max_length} "
                    f"({len(lengths.cut_oracles)} with the right product), {len(lengths.without_labels)} without labels"
                )
                for label, quantiles in (("row", lengths.total), ("completion", lengths.completion)):
                    said = "  ".join(f"{share}: {value}" for share, value in quantiles.items())
                    lines.append(f"  tokens a {label}, by quantile  {said}")
        needs, device = self.estimate, self.estimate.device
        lines.append(
            f"estimate: {needs.steps} steps, {needs.tokens} tokens, {needs.seconds / 60:.0f} min, "
            f"{needs.memory / GIB:.1f} GiB on {device.name} ({device.threads} threads, {device.memory / GIB:.0f} GiB)"
        )
        lines += [shown(tokenizer, example) for example in self.shown]
        return "\n".join(lines)


def shown(tokenizer: Any, example: Example) -> str:
    """Return an example decoded, the tokens that bear loss between ⟦ and ⟧, and the ids and labels where they begin."""
    first = len(example.prompt_ids)
    window = slice(max(0, first - 3), first + 6)
    prompt, completion = tokenizer.decode(example.prompt_ids), tokenizer.decode(example.input_ids[first:])
    return (
        f"--- {example.row.place}\n{prompt}⟦{completion}⟧\n"
        f"input_ids[{window.start}:{window.stop}] {example.input_ids[window]}\n"
        f"labels   [{window.start}:{window.stop}] {example.labels[window]} ({IGNORED}: no loss)"
    )
