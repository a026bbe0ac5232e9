"""What the command lines share: exit codes, JSON lines, progress bars on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import ProductQAError, QuestionError, UsageError, nearest_path
from retrieval.files import parse_json, read_text
from retrieval.query import parse_question

FAILED = 1
WRONG_USE = 2


def run(parser: argparse.ArgumentParser, arguments: list[str] | None) -> int:
    """Parse, call the chosen command's ``run``, and turn an error into one sentence on stderr.

    Returns:
        0 when done, 1 after a failure, 2 after wrong use.
    """
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except ProductQAError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except (OSError, UnicodeError) as error:
        print(f"{parser.prog}: {_sentence(error)}", file=sys.stderr)
        return FAILED
    return 0


def _sentence(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"A text or the name of a file cannot be read or written: {error}."
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."


def add_rerank(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a reranker's weights."""
    parser.add_argument("--rerank", default="auto", help="none, or a file of weights (default: those that ship)")


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Add the option that names an evidence ranker."""
    parser.add_argument("--evidence", type=Path, metavar="FOLDER", help="evidence ranker (default: the one that ships)")


def questions_of(options: argparse.Namespace) -> list[str]:
    """Return the question on the command line, or those of ``--batch``: plain lines or JSON lines, ``-`` for stdin.

    Raises:
        UsageError: Both or neither are given, there is no such file, or it is not UTF-8; or a line of it holds no
            question, or one that cannot be asked, and the message names the line.
    """
    if (options.question is None) == (options.batch is None):
        raise UsageError("Give a question or --batch FILE, one of the two.")
    if options.batch is None:
        return [options.question]
    path = Path(options.batch)
    if options.batch != "-" and not path.is_file():
        raise UsageError(f"No question file at {path}{nearest_path(path)}.")
    text = _standard_input() if options.batch == "-" else read_text(path)
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return [_question(line, f"{options.batch}:{number}") for number, line in lines]


def _question(line: str, place: str) -> str:
    question = _question_of_json(line, place) if line.startswith("{") else line
    try:
        parse_question(question)
    except QuestionError as error:
        raise QuestionError(f"{place}: {error}") from error
    return question


def _question_of_json(line: str, place: str) -> str:
    try:
        question = parse_json(line)["question"]
    except (ValueError, KeyError) as error:
        raise UsageError(f"{place}: not a JSON object with a question.") from error
    if not isinstance(question, str):
        raise UsageError(f"{place}: the question is not a string.")
    return question


def values_of(argument: str) -> list[str]:
    """Return the lines of ``@FILE``, those of standard input for ``-``, and any other argument as it is.

    Raises:
        UsageError: There is no such file, or it is not UTF-8.
    """
    if argument == "-":
        text = _standard_input()
    elif argument.startswith("@"):
        path = Path(argument[1:])
        if not path.is_file():
            raise UsageError(f"No file at {path}{nearest_path(path)}.")
        text = read_text(path)
    else:
        return [argument]
    return [line.strip() for line in text.split("\n") if line.strip()]


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"Standard input is not UTF-8: byte {error.start} cannot be read.") from error


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False))


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show one progress bar a step on stderr; yields the function to call with step, done and total."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                for task in bars.tasks:
                    bars.update(task.id, total=task.completed)
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show
