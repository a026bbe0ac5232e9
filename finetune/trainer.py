"""TRL's SFTTrainer, made to fit a CPU: passes bounded in tokens, logits only where a label is.

Imports torch, TRL and PEFT: import this module inside functions.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch.nn.functional import cross_entropy
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from finetune.base_model import BaseModel, precision_of
from finetune.fused_lora import fuse_lora
from finetune.masks import IGNORED, Example, spread
from finetune.progress import Progress, Samples
from finetune.recipe import CHECKPOINTS, Recipe
from finetune.resources import leads, processes

Batch = dict[str, torch.Tensor]


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
    """Trains on completions.

    A step's rows arrive as one batch of random rows. It is split, longest rows first, into passes that keep within
    ``rows_per_pass`` or, where given, ``tokens_per_pass``: next to no padding, a known bound on memory, and the same
    random steps as without it. Each pass adds its share of one mean over all label tokens of the step.
    """

    def __init__(self, *, rows_per_pass: int, tokens_per_pass: int, **options: Any) -> None:
        """Take the bounds of a pass; everything else goes to SFTTrainer."""
        super().__init__(**options)
        self._rows_per_pass = rows_per_pass
        self._tokens_per_pass = tokens_per_pass
        self._on_cpu = self.args.device.type == "cpu"

    def training_step(
        self, model: Any, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Run one batch forward and backward, pass by pass; returns the mean loss."""
        if self.args.world_size > 1:  # processes that took different numbers of passes would wait for each other
            return super().training_step(model, inputs, num_items_in_batch)
        passes = split(inputs, self._rows_per_pass, self._tokens_per_pass)
        losses = [super(CompletionTrainer, self).training_step(model, part, num_items_in_batch) for part in passes]
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the mean loss over label tokens.

        On a GPU, TRL's fused output layer scores only the positions that have a label. On a CPU it would score all of
        them, so there the model is asked for the logits of those positions alone. Rows are padded on the right, where
        causal attention cannot see the padding, so no attention mask is needed.
        """
        if not self._on_cpu or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = inputs["labels"][:, 1:]
        there = targets != IGNORED
        columns = there.any(dim=0).nonzero().squeeze(1)
        logits = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=columns).logits
        there, targets = there[:, columns], targets[:, columns]
        loss = cross_entropy(logits[there].float(), targets[there], reduction="sum")
        if self.model.training:
            self._total_train_tokens += int(inputs["attention_mask"].sum())
        if num_items_in_batch is not None:
            loss = loss * processes()  # the gradients are averaged over processes afterwards
        return loss / (there.sum() if num_items_in_batch is None else num_items_in_batch)

    def prediction_step(
        self, model: Any, inputs: Batch, _prediction_loss_only: bool, **_: Any
    ) -> tuple[torch.Tensor, None, None]:
        """Return a batch's loss, weighted so that the mean over rows is the mean over label tokens."""
        inputs = self._prepare_inputs(inputs)
        expected = self._labels_per_row * len(inputs["labels"]) * processes()  # compute_loss multiplies by as much
        with torch.no_grad(), self.compute_loss_context_manager():
            passes = list(split(inputs, self._rows_per_pass, self._tokens_per_pass))
            losses = [self.compute_loss(model, part, num_items_in_batch=expected) for part in passes]
        return torch.stack(losses).sum(), None, None

    @property
    def tokens_trained(self) -> int:
        """Tokens this process has trained on, padding not counted."""
        return int(self._total_train_tokens)

    @property
    def _labels_per_row(self) -> float:
        labels: list[list[int]] = self.eval_dataset["labels"]
        return sum(label != IGNORED for row in labels for label in row) / len(labels)


def split(inputs: Batch, rows: int, tokens: int) -> Iterator[Batch]:
    """Split a batch into passes of rows of like length, longest first, each cut to its longest row.

    Args:
        inputs: Tensors of shape (rows, length), padded on the right; ``attention_mask`` tells the lengths.
        rows: Rows of a pass where ``tokens`` is 0.
        tokens: Bound on rows times longest row; a single row may go beyond it.
    """
    lengths, order = inputs["attention_mask"].sum(dim=1).sort(descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = int(lengths[start])
        taken = order[start : start + (max(1, tokens // longest) if tokens else rows)]
        yield {name: values[taken, :longest] for name, values in inputs.items() if values.dim() == 2}
        start += len(taken)


def make_trainer(
    recipe: Recipe,
    base: BaseModel,
    tokenizer: Any,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    out: Path,
) -> CompletionTrainer:
    """Put together model, LoRA and trainer, ready to ``train()``.

    Args:
        recipe: How to train.
        base: The base model.
        tokenizer: Its tokenizer.
        examples: What to train on.
        held_out: What to evaluate on; empty for no evaluation.
        out: Folder for checkpoints, samples and TensorBoard's log.
    """
    precision = precision_of(recipe)
    held_out = sorted(spread(held_out, recipe.evaluation_rows), key=len)
    everything = recipe.target_modules == ("all-linear",)
    trainer = CompletionTrainer(
        rows_per_pass=recipe.batch_size,
        tokens_per_pass=recipe.tokens_per_pass,
        model=base.load(precision, recipe.quantize),
        args=_settings(recipe, precision, bool(held_out), out),
        processing_class=tokenizer,
        train_dataset=_dataset(examples),
        eval_dataset=_dataset(held_out) if held_out else None,
        callbacks=_callbacks(recipe, tokenizer, held_out, out),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules="all-linear" if everything else list(recipe.target_modules),
        ),
    )
    trainer.remove_callback(PrinterCallback)
    if precision == "float32":
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()  # TRL rounds the adapter of a quantised model to bfloat16
        fuse_lora(trainer.model)
    return trainer


def _settings(recipe: Recipe, precision: str, evaluates: bool, out: Path) -> SFTConfig:
    on_gpu = torch.cuda.is_available()
    several = processes() > 1  # one alone gets a step's rows at once, to split
    eight_bit = recipe.optimizer == "adamw_8bit" and importlib.util.find_spec("bitsandbytes")
    return SFTConfig(
        output_dir=str(out / CHECKPOINTS),
        use_cpu=not on_gpu,
        bf16=precision == "bfloat16",
        fp16=precision == "float16",
        per_device_train_batch_size=recipe.batch_size if several else recipe.rows_per_step,
        gradient_accumulation_steps=recipe.accumulation if several else 1,
        per_device_eval_batch_size=recipe.rows_per_step,
        gradient_checkpointing=recipe.gradient_checkpointing,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_gradient_norm,
        optim="adamw_8bit" if eight_bit else "adamw_torch",
        seed=recipe.seed,
        logging_steps=recipe.log_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=recipe.evaluate_steps,
        save_steps=recipe.evaluate_steps,
        save_total_limit=2,
        prediction_loss_only=True,
        load_best_model_at_end=evaluates and recipe.patience > 0,
        metric_for_best_model="eval_loss" if evaluates else None,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
    )


def _callbacks(recipe: Recipe, tokenizer: Any, held_out: Sequence[Example], out: Path) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = [Progress()]
    if held_out and recipe.samples and processes() == 1:
        callbacks.append(Samples(tokenizer, spread(held_out, recipe.samples), out / "samples.jsonl"))
    if held_out and recipe.patience:
        callbacks.append(EarlyStoppingCallback(recipe.patience))
    if importlib.util.find_spec("tensorboard") and leads():
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        callbacks.append(TensorBoardCallback(SummaryWriter(str(out / "tensorboard"))))
    return callbacks


def _dataset(examples: Sequence[Example]) -> Dataset:
    return Dataset.from_dict(
        {"input_ids": [example.input_ids for example in examples], "labels": [example.labels for example in examples]}
    )
