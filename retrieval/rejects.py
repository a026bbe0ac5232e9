"""Lines that could not be read: what is said of them, and where it is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be read.

    Attributes:
        file: The file it stands in.
        line: Its number, from 1.
        reason: One phrase.
        excerpt: The beginning of the line.
    """

    file: str
    line: int
    reason: str
    excerpt: str = ""

    def __str__(self) -> str:
        """Render as ``file:line: reason``."""
        return f"{self.file}:{self.line}: {self.reason}"


class RejectLog:
    """Writes rejects to a file, one JSON object a line; a log without rejects leaves no file."""

    def __init__(self, path: Path) -> None:
        """Start a log, forgetting an earlier one."""
        self._path = path
        self._path.unlink(missing_ok=True)

    def __call__(self, reject: Reject) -> None:
        """Append a reject."""
        with self._path.open("ab") as stream:
            stream.write(orjson.dumps(asdict(reject)) + b"\n")
