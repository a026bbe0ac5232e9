"""The file of answers, written answer by answer, so that a run that is cut off goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qa.evaluation.errors import EvaluationError
from qa.evaluation.records import Given, Key, Record, Scores
from retrieval.files import replace_json, replace_text

ANSWERS = "answers.jsonl"
FACTS = "run.json"


class Journal:
    """The answers that a run has so far. Made by ``open_journal``.

    Attributes:
        added: How many of them came since it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; a last line that was cut off is dropped, and its question asked again."""
        self.added = 0
        self._path = path
        self._given: dict[Key, Given] = {}
        self._lines: dict[Key, dict[str, Any]] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith(b"\n"):
                break
            row = json.loads(line)
            key = row["arm"], row["condition"], row["number"]
            self._given[key], self._lines[key] = Given.from_line(row), row
            whole += len(line)
        if path.exists():
            os.truncate(path, whole)

    def __contains__(self, key: Key) -> bool:
        return key in self._given

    def __getitem__(self, key: Key) -> Given:
        return self._given[key]

    def add(self, records: Iterable[Record]) -> None:
        """Append answers and hand them to the operating system at once."""
        with self._path.open("a", encoding="utf-8") as lines:
            for record in records:
                lines.write(_json(record.as_line()))
                self._given[record.key] = record.given
                self.added += 1

    def finish(self, scored: Iterable[tuple[Record, Scores]]) -> None:
        """Write the whole file anew: each answer with its scores, then those of arms that were left out this time."""
        lines = []
        for record, scores in scored:
            lines.append(_json(record.as_line(scores)))
            self._lines.pop(record.key, None)
        replace_text(self._path, "".join([*lines, *map(_json, self._lines.values())]))


@contextmanager
def open_journal(folder: Path, facts: Mapping[str, Any]) -> Iterator[Journal]:
    """Hold a run's folder and open its journal.

    Args:
        folder: Where the run is kept.
        facts: What the answers depend on.

    Raises:
        EvaluationError: The folder holds a run of other facts, or another process runs there.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout as error:
        raise EvaluationError(
            f"Another evaluation is writing to {folder}; wait for it, or name another folder."
        ) from error
    with lock:
        _check_facts(folder, facts)
        yield Journal(folder / ANSWERS)


def _check_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    path = folder / FACTS
    if not path.exists():
        if (folder / ANSWERS).exists():
            raise EvaluationError(f"{folder / ANSWERS} has no {FACTS} beside it; name another folder.")
        replace_json(path, facts)
        return
    recorded = json.loads(path.read_text(encoding="utf-8"))
    different = sorted(key for key in {*facts, *recorded} if facts.get(key) != recorded.get(key))
    if different:
        told = "; ".join(f"{key} was {recorded.get(key)}, is {facts.get(key)}" for key in different)
        raise EvaluationError(f"{folder} holds a run of other facts ({told}); name another folder.")


def _json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
