"""Files that are whole or not there: hashed, flushed, replaced in one step, shared by hard links."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieval.errors import UsageError


def sha256_of_files(paths: list[Path]) -> str:
    """Return the SHA-256 over the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """Return the text of a file that a user named.

    Raises:
        UsageError: It is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start} cannot be read.") from error


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: It is not JSON, or nested too deeply, or holds a number of too many digits.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def files_below(*paths: Path) -> list[Path]:
    """Return these files and those in these folders, sorted."""
    within = (path.rglob("*") if path.is_dir() else [path] for path in paths)
    return sorted(path for each in within for path in each if path.is_file())


def flush(*paths: Path) -> None:
    """Wait until files and folders are on the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a text in one step: whatever happens, there is the old file or the new one."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(text, encoding="utf-8")
    flush(unfinished)
    os.replace(unfinished, path)
    flush(path.parent)


def replace_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON in one step, as ``replace_text`` does."""
    replace_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def share(source: Path, target: Path) -> None:
    """Put a file that will not change into another folder too, as a copy where it cannot be linked."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
