"""Rows to a LoRA adapter."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from finetune.base_model import BaseModel, precision_of
from finetune.masks import EVALUATION, ROWS, TRAIN, read_examples
from finetune.output import plot_losses, refuse_file
from finetune.preflight import Preflight
from finetune.recipe import CHECKPOINTS, Recipe
from finetune.resources import Device, Usage, leads
from retrieval.adapter import ADAPTER_FORMAT, ADAPTER_FORMAT_VERSION, fingerprints
from retrieval.errors import UsageError
from retrieval.files import flush, replace_json, replace_text, sha256_of_files
from retrieval.machine import versions_of
from retrieval.models import ADAPTER_CONFIG, ADAPTER_WEIGHTS, RUN_FILE
from retrieval.prompt import PROMPT_VERSION

_STARTED = "started.json"
_LIBRARIES = ("product-qa", "torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")


def train(recipe: Recipe, rows: Path, out: Path, *, resume: bool = False) -> dict[str, Any]:
    """Train an adapter and write it to ``out``: PEFT files, ``loss.png``, ``samples.jsonl``, and last ``run.json``.

    Args:
        recipe: How to train.
        rows: Folder with ``train.jsonl``, and optionally ``evaluation.jsonl`` and ``rows.json``.
        out: Folder of the adapter.
        resume: Go on from the last checkpoint of a run that was cut off.

    Returns:
        What ``run.json`` says.

    Raises:
        UsageError: Rows that may not be trained on, a folder that holds a run already, or one that cannot be resumed.
        ModelNotFound: The base model is nowhere to be had.
    """
    facts = _facts_of(rows)
    seen = facts.pop("seen_uids", None)
    checkpoint = _begin(recipe, rows, out, resume) if leads() else _last_checkpoint(out) if resume else None
    base = BaseModel.find(recipe.model)
    tokenizer = base.tokenizer()
    examples, held_out = read_examples(tokenizer, rows)
    preflight = Preflight.of(recipe, base, examples, held_out)
    if leads():
        print(preflight.text(tokenizer), file=sys.stderr)
    preflight.check()
    from finetune.trainer import make_trainer

    trainer = make_trainer(recipe, base, tokenizer, examples, held_out, out)
    usage = Usage(Device.here())
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    resources = usage.facts(trainer.tokens_trained)
    trainer.save_model(str(out))
    run = {
        "format": ADAPTER_FORMAT,
        "format_version": ADAPTER_FORMAT_VERSION,
        "prompt_version": PROMPT_VERSION,
        "base_model": base.identity(),
        "index": facts.get("index"),
        "seen": None if seen is None else fingerprints(seen),
        "rows": _fingerprint(rows) | {"facts": facts, "train": preflight.train.facts()},
        "recipe": dataclasses.asdict(recipe),
        "precision": precision_of(recipe),
        "seed": recipe.seed,
        "steps": trainer.state.global_step,
        "resumed_from_step": int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else None,
        "libraries": versions_of(_LIBRARIES),
        "resources": resources,
        "estimate": preflight.estimate.facts(),
        "history": trainer.state.log_history,
    }
    if leads():
        _finish(out, run)
    return run


def _begin(recipe: Recipe, rows: Path, out: Path, resume: bool) -> Path | None:
    """Claim the folder of a run; return the checkpoint to go on from."""
    refuse_file(out)
    if (out / RUN_FILE).exists():
        raise UsageError(f"{out} holds a finished adapter; give another --out.")
    started = json.loads(json.dumps({"recipe": dataclasses.asdict(recipe), "rows": _fingerprint(rows)}))
    note = out / _STARTED
    if not note.exists():
        if resume:
            raise UsageError(f"There is no run to resume in {out}.")
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty; give another --out.")
        out.mkdir(parents=True, exist_ok=True)
        replace_json(note, started)
        return None
    if not resume:
        raise UsageError(f"{out} holds a run that was cut off; add --resume, or give another --out.")
    before = json.loads(note.read_text(encoding="utf-8"))
    if before != started:
        changed = [key for key in recipe.__slots__ if before["recipe"].get(key) != started["recipe"][key]]
        raise UsageError(f"{out} was begun with other {', '.join(changed) or 'rows'}; resume with the same.")
    return _last_checkpoint(out)


def _last_checkpoint(out: Path) -> Path | None:
    """Return the last checkpoint that was written to its end; the trainer's state is its last file."""
    whole = [folder for folder in (out / CHECKPOINTS).glob("checkpoint-*") if (folder / "trainer_state.json").exists()]
    return max(whole, key=lambda folder: int(folder.name.rsplit("-", 1)[1]), default=None)


def _finish(out: Path, run: dict[str, Any]) -> None:
    """Name the base model by its id, write the loss curve and, last, ``run.json``; take away what nobody reads."""
    config = json.loads((out / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = run["base_model"]["id"]
    replace_text(out / ADAPTER_CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
    if importlib.util.find_spec("matplotlib"):
        plot_losses(run["history"], out / "loss.png", unit="nats per completion token")
    flush(out / ADAPTER_WEIGHTS)
    replace_json(out / RUN_FILE, run)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    for leftover in (_STARTED, "training_args.bin", "README.md"):
        (out / leftover).unlink(missing_ok=True)


def _fingerprint(rows: Path) -> dict[str, str]:
    return {name: sha256_of_files([rows / name]) for name in (TRAIN, EVALUATION) if (rows / name).is_file()}


def _facts_of(rows: Path) -> dict[str, Any]:
    """Return what ``prepare`` says of the rows; nothing for rows that it did not make.

    Raises:
        UsageError: They were rendered with another version of the prompt.
    """
    path = rows / ROWS
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    version = facts.get("prompt_version", PROMPT_VERSION)
    if version != PROMPT_VERSION:
        raise UsageError(
            f"{rows} has rows of prompt version {version}, and this is {PROMPT_VERSION}; prepare them again."
        )
    return facts
