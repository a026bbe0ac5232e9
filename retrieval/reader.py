"""Streaming of trn.json: JSON lines, plain or gzip, one file or many, in memory that does not grow with their size."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.errors import CatalogueError, UsageError, nearest_path
from retrieval.lines import BadRow, Line, has_entity, parse_row, read_lines
from retrieval.rejects import Reject
from retrieval.schema import Product
from retrieval.text import clean

DEFAULT_MAX_ERRORS = 1_000
_EXCERPT_CHARACTERS = 200


@dataclass
class CatalogueReport:
    """What a reading of a catalogue met.

    ``rows == usable + sum(dropped) + rejected + repeated_uids + twins``

    Attributes:
        rows: Lines that are not blank.
        usable: Products that came out.
        dropped: Rows without title or content, by reason.
        rejected: Malformed lines.
        repeated_uids: Later rows with a uid that was there already; the first one counts.
        conflicting_uids: Those among them whose text differs from the first.
        twins: Rows with another uid but exactly the title and content of an earlier one, merged into it.
        with_entities: Rows, of all that could be read, whose raw title or content holds an HTML entity.
    """

    rows: int = 0
    usable: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    repeated_uids: int = 0
    conflicting_uids: int = 0
    twins: int = 0
    with_entities: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return {
            "rows": self.rows,
            "usable": self.usable,
            "dropped": {reason: self.dropped[reason] for reason in ("no title", "no content", "no title, no content")},
            "rejected": self.rejected,
            "repeated_uids": self.repeated_uids,
            "conflicting_uids": self.conflicting_uids,
            "twins": self.twins,
            "with_entities": self.with_entities,
        }


class CatalogueReader:
    """Iterates over the usable products of catalogue files and counts everything else.

    Rows that repeat a uid are counted and skipped. A row with another uid but the exact text of an earlier product is
    that product's twin: it is not yielded but noted in ``twins``, under the earlier product's place in the stream, and
    in ``twin_places`` under its own place among all uids, products and twins.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        limit: int | None = None,
        seed: int = 0,
        max_errors: int = DEFAULT_MAX_ERRORS,
        on_reject: Callable[[Reject], None] | None = None,
        on_drop: Callable[[str], None] | None = None,
        may_be_empty: bool = False,
    ) -> None:
        """Prepare a reading.

        Args:
            paths: Files of JSON lines; gzip is recognised by its first bytes.
            limit: Read a uniform sample of that many rows instead of all. Costs a second pass over the files.
            seed: Seed of that sample.
            max_errors: Malformed lines to tolerate.
            on_reject: Called with each malformed line.
            on_drop: Called with the uid of each row that lacks a title or a content.
            may_be_empty: Take files without a usable row.

        Raises:
            UsageError: ``limit`` or ``max_errors`` is out of range, or there is no path.
            CatalogueError: A file does not exist.
        """
        if not paths:
            raise UsageError("No catalogue file given.")
        if limit is not None and limit < 1:
            raise UsageError(f"limit is {limit}; it must be at least 1.")
        if max_errors < 0:
            raise UsageError(f"max_errors is {max_errors}; it must be 0 or more.")
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if not path.is_file():
                raise CatalogueError(f"No catalogue file at {path}{nearest_path(path)}.")
        self.report = CatalogueReport()
        self.twins: dict[int, list[str]] = {}
        self.twin_places: dict[str, int] = {}
        self._limit = limit
        self._seed = seed
        self._max_errors = max_errors
        self._on_reject = on_reject
        self._on_drop = on_drop
        self._may_be_empty = may_be_empty
        self._digest_of_uid: dict[str, bytes] = {}
        self._row_of_digest: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Product]:
        """Yield the usable products in file order. A reader can be iterated once.

        Raises:
            CatalogueError: More malformed lines than ``max_errors``, or no usable row at all.
        """
        sample = self._sample(self._limit) if self._limit is not None else None
        for index, (path, line) in enumerate(self._lines()):
            if sample is not None and index not in sample:
                continue
            self.report.rows += 1
            try:
                product = self._product(path, line)
            except BadRow as bad:
                self._reject(path, line, str(bad))
                continue
            if product is not None:
                self.report.usable += 1
                yield product
        if not self.report.usable and not self._may_be_empty:
            names = ", ".join(str(path) for path in self.paths)
            raise CatalogueError(
                f"No usable row in {names}: of {self.report.rows} rows, {self.report.dropped.total()} lack a title or "
                f"a content and {self.report.rejected} are malformed."
            )

    def _lines(self) -> Iterator[tuple[Path, Line]]:
        for path in self.paths:
            for line in read_lines(path):
                yield path, line

    def _sample(self, size: int) -> frozenset[int]:
        total = sum(1 for _ in self._lines())
        return frozenset(random.Random(self._seed).sample(range(total), min(size, total)))

    def _product(self, path: Path, line: Line) -> Product | None:
        uid, raw_title, raw_content = parse_row(line)
        if has_entity(raw_title) or has_entity(raw_content):
            self.report.with_entities += 1
        title, content = clean(raw_title), clean(raw_content)
        if not title or not content:
            missing = [name for name, text in (("title", title), ("content", content)) if not text]
            self.report.dropped[", ".join(f"no {name}" for name in missing)] += 1
            if self._on_drop is not None:
                self._on_drop(uid)
            return None
        digest = hashlib.blake2b(f"{title}\0{content}".encode(), digest_size=16).digest()
        known = self._digest_of_uid.get(uid)
        if known is not None:
            self.report.repeated_uids += 1
            if known != digest:
                self.report.conflicting_uids += 1
                self._tell(Reject(str(path), line.number, f"uid {uid} again, with another text; the first counts"))
            return None
        row = self._row_of_digest.setdefault(digest, self.report.usable)
        self._digest_of_uid[uid] = digest
        if row != self.report.usable:
            self.twin_places[uid] = self.report.usable + self.report.twins
            self.report.twins += 1
            self.twins.setdefault(row, []).append(uid)
            return None
        return Product(uid, title, content)

    def _reject(self, path: Path, line: Line, reason: str) -> None:
        self.report.rejected += 1
        excerpt = line.data[:_EXCERPT_CHARACTERS].decode("utf-8", "replace")
        self._tell(Reject(str(path), line.number, reason, excerpt))
        if self.report.rejected > self._max_errors:
            raise CatalogueError(
                f"More than {self._max_errors:,} malformed lines, the last at {path}:{line.number} ({reason}); "
                "raise --max-errors to read on."
            )

    def _tell(self, reject: Reject) -> None:
        if self._on_reject is not None:
            self._on_reject(reject)
