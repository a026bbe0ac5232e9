"""``python -m qa evaluate``."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa import options as shared
from retrieval import console
from retrieval.errors import UsageError
from retrieval.models import DEFAULT_LANGUAGE_MODEL

if TYPE_CHECKING:
    from qa.evaluation.settings import Settings

_MADE = 165


def add_parser(commands: Any) -> None:
    """Register the command with a parser's sub-commands."""
    parser = commands.add_parser("evaluate", help="compare answers with and without retrieval, and write a report")
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        help="a question file (default: make one, of products that were not tuned on)",
    )
    parser.add_argument("--index", type=Path, required=True, help="index folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of answers and report")
    parser.add_argument(
        "--arms",
        nargs="+",
        metavar="ARM",
        help="arms to compare: tuned, untuned (the model asked alone); tuned+retrieval, untuned+retrieval, tuned+gold, "
        "untuned+gold (quoting what was found, or the right product); copy; extractive; and, which take longer and are "
        "not among the default, tuned+free, untuned+free (free words on what was found, unchecked), tuned+decided, "
        "untuned+decided (those, asked only where the pipeline decided to answer)",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help=f"ask the first N questions, or make N (default {_MADE})"
    )
    parser.add_argument("--model", default=DEFAULT_LANGUAGE_MODEL, help="hub id or folder of the language model")
    parser.add_argument("--adapter", default="auto", help="folder of the adapter (default: the one that ships)")
    shared.add_ranking(parser)
    shared.add_decision(parser)
    parser.add_argument("--seen", type=Path, metavar="FILE", help="JSON with seen_uids: the products tuned on")
    parser.add_argument(
        "--robustness", action="store_true", help="ask again with fewer words and other numbers of hits"
    )
    parser.add_argument("--compare", type=Path, metavar="DIR", help="an earlier evaluation to set beside this one")
    parser.add_argument("--seed", type=int, default=0, help="seed of resampling and of made questions (default 0)")
    parser.add_argument("--json", action="store_true", help="print results.json instead of a table")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from qa.evaluation import Settings, evaluate
    from qa.evaluation.arms import DEFAULT_ARMS
    from qa.evaluation.groups import EVERYTHING
    from qa.evaluation.report.content import estimate_table

    settings = Settings(
        questions=options.questions or options.out / "questions.jsonl",
        index=options.index,
        out=options.out,
        arms=tuple(options.arms or DEFAULT_ARMS),
        limit=options.limit,
        model=options.model,
        adapter=options.adapter,
        rerank=options.rerank,
        evidence=options.evidence,
        decision=options.decision,
        seen=options.seen,
        robustness=options.robustness,
        compare=options.compare,
        seed=options.seed,
    )
    if options.questions is None:
        _make_questions(settings)
    with console.progress_bars() as progress:
        results = evaluate(settings, progress=progress)
    if options.json:
        console.print_json(results)
    else:
        _show(estimate_table(results, EVERYTHING))
        print(f"written: {options.out / 'report.html'}", file=sys.stderr)


def _make_questions(settings: Settings) -> None:
    """Make questions in a process of its own, unless they are there: what makes them stands on another floor.

    Raises:
        UsageError: None could be made.
    """
    if settings.questions.exists():
        print(f"asking what {settings.questions} holds already", file=sys.stderr)
        return
    count = str(settings.limit or _MADE)
    command = ["finetune", "questions", "--index", str(settings.index), "--count", count, "--seed", str(settings.seed)]
    if settings.told_seen_by:
        command += ["--unseen-by", str(settings.told_seen_by)]
    else:
        print("nothing tells which products were tuned on: questions are made of all", file=sys.stderr)
    unfinished = settings.questions.with_name(f".{settings.questions.name}.new")
    done = subprocess.run([sys.executable, "-m", *command, "--out", str(unfinished)], check=False)
    if done.returncode:
        raise UsageError(f"No questions could be made with: python -m {shlex.join(command)}; give --questions FILE.")
    os.replace(unfinished, settings.questions)


def _show(table: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(*table.columns, title=table.title, box=None)
    for row in table.rows:
        shown.add_row(*row)
    Console().print(shown)
