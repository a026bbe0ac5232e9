"""Lines of a catalogue file: what stands in them, or why it cannot be read."""

from __future__ import annotations

import codecs
import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

import orjson

MAX_LINE_BYTES = 8 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")


class BadRow(ValueError):
    """A row that cannot be read; the message is the reason."""


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: Its number, from 1.
        data: Its bytes.
        problem: Why it cannot be read; empty where it can.
    """

    number: int
    data: bytes
    problem: str = ""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file that are not blank; a line that cannot be read has its ``problem`` named."""
    number = 0
    with _open(path) as stream:
        try:
            while data := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if number == 1:
                    data = data.removeprefix(codecs.BOM_UTF8)
                if len(data) > MAX_LINE_BYTES:
                    rest = data
                    while rest and not rest.endswith(b"\n"):
                        rest = stream.readline(MAX_LINE_BYTES)
                    yield Line(number, data, f"line longer than {MAX_LINE_BYTES:,} bytes")
                elif data and not data.isspace():
                    yield Line(number, data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Line(number + 1, b"", f"gzip data is damaged or ends early ({error})")


def _open(path: Path) -> IO[bytes]:
    stream = path.open("rb")
    if stream.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
        stream.seek(0)
        return stream
    stream.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def parse_row(line: Line) -> tuple[str, str, str]:
    """Return uid, title and content of a row, the texts raw and empty where they are missing.

    Raises:
        BadRow: It is none.
    """
    if line.problem:
        raise BadRow(line.problem)
    try:
        row = orjson.loads(line.data)
    except orjson.JSONDecodeError as error:
        try:
            line.data.decode()
        except UnicodeDecodeError as undecodable:
            raise BadRow(f"invalid UTF-8 at byte {undecodable.start}") from None
        raise BadRow(f"bad JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadRow(f"a row must be a JSON object, not {_json_type(row)}")
    uid = row.get("uid")
    if uid is None or (isinstance(uid, str) and not uid.strip()):
        raise BadRow("no uid")
    texts = [row.get(name) for name in ("title", "content")]
    for name, value in zip(("uid", "title", "content"), (uid, *texts), strict=True):
        if value is not None and not isinstance(value, str):
            raise BadRow(f"{name} must be a string, not {_json_type(value)}")
    uid = uid.strip()
    if any(unicodedata.category(char) == "Cc" for char in uid):
        raise BadRow(f"control characters in uid {uid!r}")
    return uid, texts[0] or "", texts[1] or ""


def has_entity(text: str) -> bool:
    """Tell whether a raw text holds an HTML entity."""
    return "&" in text and _ENTITY.search(text) is not None


def _json_type(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(value), "a string" if isinstance(value, str) else "null")
