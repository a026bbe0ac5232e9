"""``python -m finetune questions``."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from finetune.output import refuse_file
from retrieval.errors import UsageError
from retrieval.question_file import Question, write_questions
from retrieval.schema import Product

_KEY = "OPENAI_API_KEY"
_SHOWN = 3
_TITLE_WIDTH = 60


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``questions``."""
    parser = commands.add_parser("questions", help="write the questions that shoppers ask of a catalogue")
    parser.add_argument("--index", type=Path, required=True, help="index folder, whose products are asked about")
    parser.add_argument(
        "--count", type=int, default=1_000, metavar="N", help="questions to write (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON lines to write")
    parser.add_argument(
        "--share",
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help="share of a kind or of a noise; may be repeated",
    )
    parser.add_argument(
        "--unseen-by",
        type=Path,
        metavar="PATH",
        help="leave out the products that an adapter was trained on: its folder, or JSON with seen_uids",
    )
    parser.add_argument("--show", action="store_true", help="print the shares and a few questions of each kind")
    parser.add_argument(
        "--teacher",
        metavar="URL",
        help=f"OpenAI-compatible endpoint whose model writes the questions (its key: ${_KEY})",
    )
    parser.add_argument("--teacher-model", metavar="NAME", help="the model to ask there")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from retrieval.index import HybridIndex

    if options.out is None and not options.show:
        raise UsageError("Nothing to do: give --out FILE, --show, or both.")
    if options.out is not None:
        refuse_file(options.out.parent)
        if options.out.is_dir():
            raise UsageError(f"{options.out} is a folder; give a file as --out.")
    if bool(options.teacher) != bool(options.teacher_model):
        raise UsageError("--teacher URL and --teacher-model NAME go together.")
    if options.teacher and (options.out is None or options.share):
        raise UsageError("--teacher needs --out FILE, beside which its answers are kept, and takes no --share.")
    if options.teacher and options.unseen_by:
        raise UsageError("--teacher asks about any product; it takes no --unseen-by.")
    shares = dict(_share(text) for text in options.share)
    catalogue = HybridIndex.open(options.index, rerank="none").catalogue
    questions = _taught(catalogue, options) if options.teacher else _generated(catalogue, options, shares)
    if options.out is not None:
        write_questions(options.out, questions)
        print(f"{len(questions)} questions, written to {options.out}", file=sys.stderr)
    if options.show:
        _show(questions, catalogue, shares)


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        return name, float(share)
    except ValueError as error:
        raise UsageError(f"--share {text}: write KIND=SHARE, such as fact=0.5.") from error


def _generated(catalogue: Sequence[Product], options: argparse.Namespace, shares: dict[str, float]) -> list[Question]:
    from finetune.questions.generation import generate
    from retrieval.adapter import seen_products

    seen = seen_products(options.unseen_by) if options.unseen_by else frozenset()
    if seen is None:
        raise UsageError(f"The adapter at {options.unseen_by} does not tell which products it was trained on.")
    questions = generate(catalogue, options.count, seed=options.seed, shares=shares, seen=seen)
    if len(questions) < options.count:
        told = f"{len(catalogue)} products give {len(questions)} questions, fewer than the {options.count} asked for."
        print(told, file=sys.stderr)
    return questions


def _taught(catalogue: Sequence[Product], options: argparse.Namespace) -> list[Question]:
    from finetune.questions.teacher import Teacher

    cache = options.out.with_suffix(".teacher.jsonl")
    with Teacher(options.teacher, options.teacher_model, cache, key=os.environ.get(_KEY)) as teacher:
        questions = teacher.ask(catalogue, options.count, seed=options.seed)
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(teacher.dropped.items())) or "nothing"
    print(f"Dropped of what the teacher wrote: {dropped}. Its answers are kept in {cache}", file=sys.stderr)
    return questions


def _show(questions: list[Question], catalogue: Sequence[Product], shares: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    from finetune.questions.generation import KINDS, resolve_shares

    wanted = {name: share for table in resolve_shares(shares) for name, share in table.items()}
    made = Counter(question.maker for question in questions)
    noisy = Counter(question.noise for question in questions) + Counter(question.lang for question in questions)
    table = Table("kind", "what it asks", "share", "questions")
    for name, share in wanted.items():
        summary = KINDS[name].summary if name in KINDS else f"({'language' if name == 'pt' else 'noise'})"
        table.add_row(name, summary, f"{share:.2f}", str(made[name] or noisy[name]))
    console = Console()
    console.print(table)
    wanted_uids = {question.uids[0] for question in questions if question.uids}
    titles = {product.uid: product.title for product in catalogue if product.uid in wanted_uids}
    for kind in sorted(made):
        console.print(f"\n[bold]{kind}[/bold]")
        for question in [question for question in questions if question.maker == kind][:_SHOWN]:
            title = titles.get(question.uids[0], "")[:_TITLE_WIDTH] if question.uids else "(no product)"
            console.print(f"  {question.question}", markup=False, highlight=False, soft_wrap=True)
            console.print(
                f"      {title} · {question.noise}, {question.lang}", style="dim", markup=False, soft_wrap=True
            )
