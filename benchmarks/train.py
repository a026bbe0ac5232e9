"""How fast the trainer is beside a plain TRL script, with the same model, rows, LoRA, steps of 8 rows and seed.

python -m benchmarks.train --index INDEX --questions FILE --name RESULT [--steps N]

Arms: ``plain`` is TRL's SFTTrainer as a script would use it: float32, a step's 8 rows in one batch, no gradient
checkpointing, given the same ids and labels (its own would end a completion with one line break more). ``ours`` is what
``finetune train`` runs. Each run is a process of its own, so that its peak memory is its own, and the arms take turns,
so that what else the machine does falls on both. Peak memory includes the libraries.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.record import write_result
from finetune.base_model import BaseModel
from finetune.masks import read_examples
from finetune.recipe import Recipe

ARMS = ("plain", "ours")
ROUNDS = 2
LEARNING_RATE = 6e-4
SEED = 3407
RECIPE = Recipe(
    rank=16,
    alpha=32,
    batch_size=4,
    accumulation=2,
    tokens_per_pass=1024,
    learning_rate=LEARNING_RATE,
    warmup_steps=0,
    seed=SEED,
    log_steps=1,
)


def plain_trainer(rows: Path, steps: int, out: Path) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    base = BaseModel.find(RECIPE.model)
    tokenizer = base.tokenizer()
    examples, _ = read_examples(tokenizer, rows)
    columns = {"input_ids": [e.input_ids for e in examples], "labels": [e.labels for e in examples]}
    return SFTTrainer(
        model=base.load("float32"),
        args=SFTConfig(
            output_dir=str(out),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=RECIPE.rows_per_step,
            max_steps=steps,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type=RECIPE.schedule,
            weight_decay=RECIPE.weight_decay,
            max_length=RECIPE.max_length,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            seed=SEED,
        ),
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=RECIPE.rank, lora_alpha=RECIPE.alpha, target_modules="all-linear"
        ),
    )


def our_trainer(rows: Path, steps: int, out: Path) -> Any:
    from finetune.trainer import make_trainer

    base = BaseModel.find(RECIPE.model)
    tokenizer = base.tokenizer()
    examples, _ = read_examples(tokenizer, rows)
    return make_trainer(dataclasses.replace(RECIPE, max_steps=steps), base, tokenizer, examples, [], out)


def run_arm(arm: str, rows: Path, steps: int) -> dict[str, Any]:
    """Train for a first step that isn't measured and ``steps`` that are."""
    from transformers import TrainerCallback

    from finetune.resources import GIB, Device

    class Clock(TrainerCallback):
        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if state.global_step in {1, steps + 1}:
                marks.append((perf_counter(), process_time(), trainer._total_train_tokens))

    marks: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as out:
        trainer = (our_trainer if arm == "ours" else plain_trainer)(rows, steps + 1, Path(out))
        trainer.add_callback(Clock())
        trainer.train()
    seconds, processor_seconds, tokens = (last - first for first, last in zip(*marks, strict=True))
    return {
        "tokens": int(tokens),
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "peak_gib": Device.here().peak_memory() / GIB,
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
    }


def compare(rows: Path, steps: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for _ in range(ROUNDS):
        for arm in ARMS:
            command = ["-m", "benchmarks.train", "--arm", arm, "--rows", str(rows), "--steps", str(steps)]
            done = subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True)
            runs[arm].append(json.loads(done.stdout.splitlines()[-1]))
    figures: dict[str, Any] = {}
    for arm, measured in runs.items():
        tokens = sum(run["tokens"] for run in measured)
        figures[arm] = {
            "tokens_per_second": round(tokens / sum(run["seconds"] for run in measured), 1),
            "tokens_per_processor_second": round(tokens / sum(run["processor_seconds"] for run in measured), 1),
            "peak_gib": round(max(run["peak_gib"] for run in measured), 2),
            "losses": [round(loss, 4) for loss in measured[0]["losses"]],
        }
    for measure in ("tokens_per_second", "tokens_per_processor_second"):
        figures[f"ours_to_plain_{measure}"] = round(figures["ours"][measure] / figures["plain"][measure], 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--name", help="name of the result file")
    parser.add_argument("--steps", type=int, default=2, help="measured steps of 8 rows, in each of two rounds")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        print(json.dumps(run_arm(options.arm, options.rows, options.steps)))
        return
    if not (options.index and options.questions and options.name):
        parser.error("--index, --questions and --name are needed")
    import torch

    from finetune.rows import RowsConfig, prepare
    from retrieval.evidence import CrossEncoderRanker
    from retrieval.index import HybridIndex

    with tempfile.TemporaryDirectory() as folder:
        prepare(HybridIndex.open(options.index), CrossEncoderRanker(), [options.questions], RowsConfig(), Path(folder))
        figures = compare(Path(folder), options.steps)
    for arm in ARMS:
        print(f"{arm:>20}  {figures[arm]['tokens_per_second']} tokens/s  peak {figures[arm]['peak_gib']} GiB")
    libraries = {name: importlib.metadata.version(name) for name in ("trl", "peft")}
    facts = {"steps": options.steps, "rounds": ROUNDS, "threads": torch.get_num_threads(), "libraries": libraries}
    write_result(options.name, facts | figures, [options.questions], SEED)


if __name__ == "__main__":
    main()
