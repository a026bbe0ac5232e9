"""Question files: JSON lines of questions whose right product and answer are known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from retrieval.errors import UsageError, nearest_path
from retrieval.files import parse_json, read_text

Kind = Literal["identify", "fact", "unanswerable", "absent", "ambiguous"]
FINDABLE: tuple[Kind, ...] = ("identify", "fact", "unanswerable")
"""Kinds of question that have one right product to find."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what a right answer is.

    Attributes:
        question: As a shopper types it.
        kind: ``identify``: which product is it, what is it like; ``fact``: its description says it; ``unanswerable``:
            its description does not; ``absent``: no such product; ``ambiguous``: several products fit.
        uids: Every product that is right; none for ``absent``.
        answer: A reference answer; empty without one.
        evidence: A verbatim span of content or title that supports the answer; empty without one.
        lang: ``en`` or ``pt``.
        noise: ``none``, ``vague``, ``partial`` or ``typo``.
        maker: What made it: ``hand``, or the name of a generator's kind.
    """

    question: str
    kind: Kind
    uids: tuple[str, ...] = ()
    answer: str = ""
    evidence: str = ""
    lang: str = "en"
    noise: str = "none"
    maker: str = "hand"


def read_questions(path: Path) -> list[Question]:
    """Read a question file.

    Raises:
        UsageError: No such file, or a line that is not a question; the message names the line.
    """
    if not path.is_file():
        raise UsageError(f"No question file at {path}{nearest_path(path)}.")
    lines = read_text(path).split("\n")
    questions = [_question(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not questions:
        raise UsageError(f"{path} holds no question.")
    return questions


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write a question file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions)


def _question(line: str, place: str) -> Question:
    try:
        row: Any = parse_json(line)
    except ValueError as error:
        raise UsageError(f"{place} is not JSON: {error}.") from error
    fields = Question.__dataclass_fields__
    if not isinstance(row, dict) or not str(row.get("question") or "").strip() or row.get("kind") not in get_args(Kind):
        raise UsageError(f"{place} needs a question and a kind ({', '.join(get_args(Kind))}).")
    if row["kind"] in FINDABLE and not row.get("uids"):
        raise UsageError(f"{place} is of kind {row['kind']} and names no uids.")
    known = {name: value for name, value in row.items() if name in fields and value is not None}
    uids = known.pop("uids", [])
    if not isinstance(uids, list) or not all(isinstance(value, str) for value in (*uids, *known.values())):
        raise UsageError(f"{place}: uids must be a list of strings, everything else a string.")
    return Question(**known, uids=tuple(uids))
