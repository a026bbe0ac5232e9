"""What an update changes: which rows go, which come, and whose twins they are.

The result is the catalogue that a fresh build would read from one file in which a changed row stands where the earlier
one stood, new rows stand at the end, and removed rows are missing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog import Catalogue
from retrieval.files import share
from retrieval.schema import Product
from retrieval.tables import ADDED_FILES, PRODUCTS_FILE, write_products, write_rows, write_twins

Member = tuple[int, str]
"""Place and uid of a product or a twin."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row that an update adds.

    Attributes:
        place: Of its product, in the order of the catalogue.
        product: The product, without its twins.
        twins: Their places and uids.
        same_text: The earlier row that has exactly its text.
        before: The row that its uid had before it was changed.
    """

    place: int
    product: Product
    twins: list[Member]
    same_text: int | None
    before: int | None


@dataclass(slots=True)
class Revision:
    """The difference between a catalogue and its next state.

    Attributes:
        added: Uids that were not there before.
        changed: Uids whose text is another.
        unchanged: Uids that were there with the same text.
        removed: Uids that are there no more.
        unknown: Uids that were to be removed and were not there.
        gone: Rows that are removed.
        rows: Rows that are added, in the order of their places.
        twins: Of rows that stay, where they have other twins than before.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    unknown: list[str] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    rows: list[NewRow] = field(default_factory=list)
    twins: dict[int, list[Member]] = field(default_factory=dict)

    @property
    def changes_nothing(self) -> bool:
        """Whether the next state is the present one."""
        return not (self.added or self.changed or self.removed)


def revise(old: Catalogue, new: Catalogue | None, remove: Collection[str], emptied: Collection[str] = ()) -> Revision:
    """Find out what changes when uids are removed, and then rows are added.

    Args:
        old: The catalogue.
        new: The rows that are added or changed.
        remove: Uids that are removed; one that is also in ``new`` is added again, at the end.
        emptied: Uids whose new row lacks title or content, which no index holds.
    """
    entries = sorted(_entries(new)) if new is not None else []
    return _Reviser(old, new if new is not None else (), entries).revise(set(remove), set(emptied))


class _Reviser:
    def __init__(self, old: Catalogue, new: Sequence[Product], entries: list[tuple[int, str, int]]) -> None:
        self._old = old
        self._new = new
        self._entries = entries
        self._digests = [_digest(product) for product in new]
        self._before: dict[str, int] = {}
        self._uid_of: dict[int, str] = {}
        self._members_of: dict[int, dict[str, int]] = {}
        self._revision = Revision()

    def revise(self, remove: set[str], emptied: set[str]) -> Revision:
        coming = {uid for _, uid, _ in self._entries}
        emptied = emptied - coming
        known = self._old.rows_of(coming | remove | emptied)
        leaving: dict[int, set[str]] = defaultdict(set)
        for uid in (remove | emptied) & known.keys():
            leaving[known[uid]].add(uid)
        self._revision.removed = len((remove | emptied) & known.keys() - coming)
        self._revision.unknown = sorted(remove - known.keys())
        digest_of, row_of = self._old_texts(list(known.values()))
        joining: dict[int, list[Member]] = defaultdict(list)
        end = int(max(self._old.places.max(), self._old.twins.places.max(initial=0))) + 1
        for _, uid, text in self._entries:
            row = known.get(uid)
            if row is not None and uid not in remove:
                if digest_of[row] == self._digests[text]:
                    self._revision.unchanged += 1
                    continue
                place = self._members(row)[uid]
            else:
                place, end = end, end + 1
            if row is None:
                self._revision.added += 1
            else:
                self._revision.changed += 1
                self._before[uid] = row
                leaving[row].add(uid)
            joining[text].append((place, uid))
        joined = {row_of[self._digests[text]]: text for text in joining if self._digests[text] in row_of}
        for row in sorted(leaving.keys() | joined.keys()):
            members = [(place, uid) for uid, place in self._members(row).items() if uid not in leaving[row]]
            members += joining.pop(joined[row]) if row in joined else []
            if not self._stays(row, sorted(members)) and members:
                self._append(sorted(members), self._old.at(row), row)
        for text, members in joining.items():
            self._append(sorted(members), self._new[text], None)
        self._revision.rows.sort(key=lambda row: row.place)
        return self._revision

    def _stays(self, row: int, members: list[Member]) -> bool:
        """Note what becomes of a row: it stays if its product is still the first of the uids that have its text."""
        stays = members[:1] == [(int(self._old.places[row]), self._uid_of[row])]
        self._revision.twins[row] = members[1:] if stays else []
        if not stays:
            self._revision.gone.append(row)
        return stays

    def _append(self, members: list[Member], text: Product, row: int | None) -> None:
        (place, uid), *twins = members
        product = Product(uid, text.title, text.content)
        self._revision.rows.append(NewRow(place, product, twins, row, self._before.get(uid)))

    def _members(self, row: int) -> dict[str, int]:
        """Return the uids of a row, and their places."""
        if row not in self._members_of:
            own = {self._uid_of[row]: int(self._old.places[row])}
            self._members_of[row] = own | dict(self._old.twins.with_places(row))
        return self._members_of[row]

    def _old_texts(self, rows: list[int]) -> tuple[dict[int, bytes], dict[bytes, int]]:
        """Return the digests of these rows, and the rows that have the text of a new product."""
        wanted = set(self._digests)
        candidates = np.union1d(rows, self._old.with_titles({product.title for product in self._new})).astype(np.int64)
        digest_of: dict[int, bytes] = {}
        for row, product in zip(candidates.tolist(), self._old.of_rows(candidates), strict=True):
            self._uid_of[row] = product.uid
            digest_of[row] = _digest(product)
        return digest_of, {digest: row for row, digest in digest_of.items() if digest in wanted}


def write_revised(old: Catalogue, revision: Revision, folder: Path) -> Catalogue:
    """Write the next state of a catalogue: products that were there are shared, new ones stand in a file of their own.

    Args:
        old: The catalogue.
        revision: What changes.
        folder: An existing folder.
    """
    for number, path in enumerate(old.files[:-2]):
        share(path, folder / _products_file(number))
    if revision.rows:
        write_products(folder / _products_file(len(old.files) - 2), (row.product for row in revision.rows))
    first = len(old.places)
    removed = np.union1d(np.flatnonzero(old.removed), np.asarray(revision.gone, dtype=np.int64))
    write_rows(folder, np.append(old.places, [row.place for row in revision.rows]).astype(np.int64), removed)
    after = revision.twins | {first + number: row.twins for number, row in enumerate(revision.rows)}
    kept = [twin for twin in old.twins if twin[0] not in revision.twins]
    write_twins(folder, [*kept, *((row, uid, place) for row, twins in after.items() for place, uid in twins)])
    return Catalogue(folder)


def write_compacted(catalogue: Catalogue, folder: Path) -> tuple[Catalogue, NDArray[np.int64]]:
    """Write a catalogue as a fresh build would: no removed rows, all others in the order of their places.

    Returns:
        The new catalogue, and of each of its rows the row that it was before.
    """
    order = catalogue.live[np.argsort(catalogue.places[catalogue.live])]
    write_products(folder / PRODUCTS_FILE, catalogue.of_rows(order))
    twins = list(catalogue.twins)
    places = np.append(catalogue.places[order], [place for _, _, place in twins]).astype(np.int64)
    ranks = np.argsort(np.argsort(places))
    write_rows(folder, ranks[: len(order)], [])
    row_of = {int(before): row for row, before in enumerate(order)}
    write_twins(
        folder, [(row_of[row], uid, int(rank)) for (row, uid, _), rank in zip(twins, ranks[len(order) :], strict=True)]
    )
    return Catalogue(folder), order


def _entries(catalogue: Catalogue) -> Iterator[tuple[int, str, int]]:
    """Yield place, uid and row of every product and every twin."""
    for row, product in enumerate(catalogue):
        yield int(catalogue.places[row]), product.uid, row
    yield from ((place, uid, row) for row, uid, place in catalogue.twins)


def _digest(product: Product) -> bytes:
    return hashlib.blake2b(f"{product.title}\0{product.content}".encode(), digest_size=16).digest()


def _products_file(number: int) -> str:
    return ADDED_FILES.replace("*", f"{number:06d}") if number else PRODUCTS_FILE
