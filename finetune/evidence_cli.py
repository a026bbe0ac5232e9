"""The commands ``evidence`` and ``evidence-mean``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from retrieval import console


def add_parsers(commands: Any) -> None:
    """Register ``evidence`` and ``evidence-mean``."""
    evidence = commands.add_parser("evidence", help="tune what tells the words that answer from those that don't")
    evidence.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see finetune/configs")
    evidence.add_argument("--index", type=Path, required=True, help="index folder")
    evidence.add_argument(
        "--questions", type=Path, required=True, action="append", metavar="FILE", help="question file; may be repeated"
    )
    evidence.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the ranker is written")
    console.add_rerank(evidence)
    evidence.add_argument("--leave-out", metavar="K/N", help="leave out the questions of fold K of N")
    evidence.add_argument("--seed", type=int, help="instead of the configuration's")
    evidence.add_argument("--max-steps", type=int, help="instead of the configuration's")
    evidence.add_argument("--json", action="store_true", help="print what run.json says")
    evidence.set_defaults(run=_tune)

    mean = commands.add_parser("evidence-mean", help="write the mean of evidence rankers, as quick as one of them")
    mean.add_argument("tuned", type=Path, nargs="+", metavar="FOLDER", help="what evidence wrote, two or more")
    mean.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the ranker is written")
    mean.add_argument("--json", action="store_true", help="print what run.json says")
    mean.set_defaults(run=_average)


def _tune(options: argparse.Namespace) -> None:
    from finetune.config import read_config
    from finetune.evidence import tune_evidence_ranker
    from finetune.evidence_config import EvidenceConfig
    from finetune.mining import Fold
    from retrieval.index import HybridIndex

    given = {"seed": options.seed, "max_steps": options.max_steps}
    given = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(read_config(options.config, EvidenceConfig), **given)
    leave_out = Fold.parse(options.leave_out) if options.leave_out else None
    index = HybridIndex.open(options.index, rerank=options.rerank)
    run = tune_evidence_ranker(index, options.questions, options.out, config, leave_out=leave_out)
    if options.json:
        console.print_json(run)
        return
    first, last = run["loss"][0][1], run["loss"][-1][1]
    learned, used = run["questions"]["learned_from"], run["resources"]
    print(
        f"{learned} questions, loss {first} → {last}, {used['seconds']} s, peak {used['memory_peak_gib']} GiB, "
        f"written to {options.out}"
    )


def _average(options: argparse.Namespace) -> None:
    from finetune.averaging import average_rankers

    run = average_rankers(options.tuned, options.out)
    if options.json:
        console.print_json(run)
        return
    print(f"The mean of {len(run['mean_of'])} evidence rankers, written to {options.out}")
