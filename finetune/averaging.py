"""Averaging of evidence rankers: one that judges about as several together do, and takes no longer than one.

"Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time"
(Wortsman et al., ICML 2022). The updates of weights are averaged, LoRA matrices standing side by side for that.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.encoder import refuse_existing, settle_adapter, write_json
from finetune.output import whole_or_nothing
from retrieval.errors import UsageError
from retrieval.evidence import EVIDENCE_FORMAT, HEAD_WEIGHTS, read_ranker_run, untrained_ranker
from retrieval.machine import versions_of
from retrieval.models import ADAPTER_CONFIG, ADAPTER_WEIGHTS, RUN_FILE, resolve_model

LIBRARIES = ("peft", "torch", "transformers")
_MEAN = "mean"


def average_rankers(tuned: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the mean of evidence rankers; the folder appears when it is whole.

    They begin as one, with the same ``seed``, and differ in the questions that they were tuned on, or for how long.

    Args:
        tuned: What ``tune_evidence_ranker`` wrote, two or more of one base.
        out: The folder to write.

    Returns:
        What its ``run.json`` says.

    Raises:
        UsageError: ``out`` is there already, fewer than two are given, or they differ in base, ``seed`` or
            ``max_tokens``.
        ModelNotFound: One of them is no evidence ranker, or the base is nowhere to be had.
    """
    refuse_existing(out)
    runs = [read_ranker_run(folder) for folder in tuned]
    alike = [(run["base"], run["config"]["seed"], run["config"]["max_tokens"]) for run in runs]
    if len(runs) < 2 or any(other != alike[0] for other in alike):
        raise UsageError("Give two or more evidence rankers that were tuned from one base, seed and max_tokens.")
    base, seed, max_tokens = alike[0]
    with whole_or_nothing(out) as folder:
        rank = _average_adapters(resolve_model(base["id"]), max_tokens, tuned, folder)
        settle_adapter(folder, base["id"], rank)
        _average_heads(tuned, folder)
        run = {
            "format": EVIDENCE_FORMAT,
            "base": base,
            "config": {"max_tokens": max_tokens, "rank": rank, "seed": seed},
            "mean_of": runs,
            "libraries": versions_of(LIBRARIES),
        }
        write_json(folder / RUN_FILE, run)
    return run


def _average_adapters(base: Path, max_tokens: int, tuned: Sequence[Path], folder: Path) -> int:
    """Write the mean of adapters; returns its rank, the sum of theirs."""
    from peft import PeftModel

    names = [f"ranker_{number}" for number in range(len(tuned))]
    model = untrained_ranker(base, max_tokens).transformers_model
    adapted = PeftModel.from_pretrained(model, str(tuned[0]), adapter_name=names[0])
    for name, path in zip(names[1:], tuned[1:], strict=True):
        adapted.load_adapter(str(path), adapter_name=name)
    adapted.add_weighted_adapter(names, [1 / len(names)] * len(names), _MEAN, combination_type="cat")
    adapted.save_pretrained(str(folder), selected_adapters=[_MEAN], save_embedding_layers=False)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        (folder / _MEAN / name).rename(folder / name)
    shutil.rmtree(folder / _MEAN)
    (folder / "README.md").unlink(missing_ok=True)
    rank: int = adapted.peft_config[_MEAN].r
    return rank


def _average_heads(tuned: Sequence[Path], folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    heads = [load_file(path / HEAD_WEIGHTS) for path in tuned]
    mean = {name: (sum(head[name] for head in heads) / len(heads)).contiguous() for name in heads[0]}
    save_file(mean, folder / HEAD_WEIGHTS)
