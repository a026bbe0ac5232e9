"""Tuning of the encoder: LoRA by sentence-transformers, questions against right products and lookalikes.

The folder it writes, a few MB, is an encoder: ``python -m retrieval build CATALOG --encoder FOLDER``.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.encoder_config import EncoderConfig
from finetune.mining import Example, Fold, mine_examples
from finetune.output import plot_losses, whole_or_nothing
from finetune.resources import GIB, Device
from retrieval.encoder import TUNED_FORMAT, read_run
from retrieval.errors import MissingExtra, ModelNotFound, UsageError, nearest_path
from retrieval.files import sha256_of_files
from retrieval.machine import versions_of
from retrieval.models import ADAPTER_CONFIG, RUN_FILE, quiet_model_libraries, resolve_model, weights_sha256
from retrieval.question_file import read_questions

if TYPE_CHECKING:
    from retrieval.index import HybridIndex

LOSS_EVERY = 10
_TEXTS_AT_ONCE = 16
LIBRARIES = ("torch", "transformers", "sentence-transformers", "peft", "datasets")


def tune_encoder(
    index: HybridIndex, questions: Sequence[Path], out: Path, config: EncoderConfig, *, leave_out: Fold | None = None
) -> dict[str, Any]:
    """Tune an encoder on questions whose product is known; the folder appears when it is whole.

    The loss is the cross-entropy of the right passage among those of the batch, their lookalikes included (van den Oord
    et al., "Representation learning with contrastive predictive coding", 2018). No batch holds a passage twice. Texts
    go through the model a few at a time (Gao et al., "Scaling deep contrastive learning batch size under memory
    limited setup", RepL4NLP 2021): a sixth of the memory and, on CPUs, half of the time.

    Args:
        index: An index opened with ``rerank="none"``; it gives the passages and the lookalikes.
        questions: Question files; one that is given twice counts twice, with other lookalikes.
        out: The folder to write: the adapter as PEFT saves it, ``run.json`` and ``loss.png``.
        config: How to tune.
        leave_out: Leave out the questions whose product falls in this fold, so that something else can be learned on
            vectors of questions that the encoder has not seen.

    Returns:
        What ``run.json`` says.

    Raises:
        UsageError: ``out`` is there already, a question file cannot be read, or no question can be learned from.
        ModelNotFound: The base is nowhere to be had.
        MissingExtra: A library of the extra ``train`` is not installed.
    """
    check_plotting()
    refuse_existing(out)
    device, began = Device.here(), time.perf_counter()
    base = resolve_model(config.base)
    asked = [question for path in questions for question in read_questions(path)]
    with whole_or_nothing(out) as folder:
        examples = mine_examples(
            index,
            asked,
            lookalikes=config.hard_negatives,
            depth=config.mining_depth,
            seed=config.seed,
            leave_out=leave_out,
            progress=lambda done, of: print(f"searched for {done} of {of} questions", file=sys.stderr),
        )
        losses = _train(base, examples, config, folder)
        run = {
            "format": TUNED_FORMAT,
            "base": {"id": config.base, "weights_sha256": weights_sha256(base)},
            "config": asdict(config),
            "leave_out": str(leave_out) if leave_out else None,
            "questions": {
                "files": [{"name": path.name, "sha256": sha256_of_files([path])} for path in questions],
                "read": len(asked),
                "learned_from": len(examples),
                "products": len({example.passage for example in examples}),
                "by_maker": Counter(question.maker for question in asked),
            },
            "index": {key: index.manifest[key] for key in ("catalogue", "encoder")},
            "loss": losses,
            "resources": {
                "device": device.facts(),
                "seconds": round(time.perf_counter() - began),
                "memory_peak_gib": round(device.peak_memory() / GIB, 2),
            },
            "libraries": versions_of(LIBRARIES),
        }
        write_json(folder / RUN_FILE, run)
        history = [{"step": step, "loss": loss} for step, loss in losses]
        plot_losses(history, folder / "loss.png", unit=f"mean of {LOSS_EVERY} steps")
    return run


def keep_share(tuned: Path, out: Path, share: float) -> dict[str, Any]:
    """Write a tuned encoder anew, as training with another ``merge_share`` would have written it.

    Returns:
        What its ``run.json`` says.

    Raises:
        UsageError: ``out`` is there already, or the share is out of range.
        ModelNotFound: ``tuned`` is not a tuned encoder.
    """
    refuse_existing(out)
    run = read_run(tuned)
    if run is None:
        raise ModelNotFound(f"No tuned encoder at {tuned}{nearest_path(tuned)}.")
    config = replace(EncoderConfig(**run["config"]), merge_share=share)
    run = run | {"config": asdict(config)}
    with whole_or_nothing(out) as folder:
        shutil.copytree(tuned, folder, dirs_exist_ok=True)
        settle_adapter(folder, config.base, config.alpha * config.merge_share)
        write_json(folder / RUN_FILE, run)
    return run


def _train(base: Path, examples: Sequence[Example], config: EncoderConfig, folder: Path) -> list[tuple[int, float]]:
    """Train an adapter and save it; returns steps and their loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
    from transformers import PrinterCallback, set_seed

    from finetune.progress import Progress

    quiet_model_libraries()
    set_seed(config.seed)
    fused = {"attention_probs_dropout_prob": 0.0}  # PyTorch has no fused attention with dropout for CPUs
    model = SentenceTransformer(str(base), config_kwargs=fused, local_files_only=True)
    model.max_seq_length = config.passage_tokens
    model.add_adapter(
        LoraConfig(
            task_type="FEATURE_EXTRACTION",
            target_modules="all-linear",
            exclude_modules=["pooler.dense"],  # BERT's, which sentence-transformers do not read
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
        )
    )
    rows = [[example.question, example.passage, *example.lookalikes] for example in examples]
    names = ["question", "passage", *(f"lookalike_{number}" for number in range(1, config.hard_negatives + 1))]
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(folder),
            seed=config.seed,
            max_steps=config.max_steps,
            per_device_train_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            warmup_steps=config.warmup_steps,
            weight_decay=config.weight_decay,
            batch_sampler="no_duplicates",
            dataloader_drop_last=True,
            dataloader_pin_memory=False,
            logging_steps=min(LOSS_EVERY, config.max_steps),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({name: [row[column] for row in rows] for column, name in enumerate(names)}),
        loss=CachedMultipleNegativesRankingLoss(model, scale=config.scale, mini_batch_size=_TEXTS_AT_ONCE),
        callbacks=[Progress()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if trainer.state.global_step < config.max_steps:
        raise UsageError(
            f"batch_size is {config.batch_size}, but the {len(examples)} questions do not give that many different "
            "products at a time; lower it."
        )
    model.transformers_model.save_pretrained(folder)
    settle_adapter(folder, config.base, config.alpha * config.merge_share)
    return [(entry["step"], round(entry["loss"], 4)) for entry in trainer.state.log_history if "loss" in entry]


def settle_adapter(folder: Path, base: str, alpha: float) -> None:
    """Write the base's id and the scale that is kept into PEFT's configuration, in an order that is always the same."""
    path = folder / ADAPTER_CONFIG
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["base_model_name_or_path"] = base
    stored["lora_alpha"] = alpha
    stored["target_modules"] = sorted(stored["target_modules"])
    write_json(path, stored)


def check_plotting() -> None:
    """Refuse to begin what could not be ended.

    Raises:
        MissingExtra: The library that draws the loss curve is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("Tuning needs the extra train: pip install 'product-qa[train]'.")


def refuse_existing(out: Path) -> None:
    """Refuse to write where something is."""
    if out.exists():
        raise UsageError(f"{out} is there already; choose another folder.")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, in an order that is always the same."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
