"""The catalogue on disk: products as Arrow, memory-mapped, in the order in which they were read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamaged
from retrieval.reader import CatalogueReader, CatalogueReport
from retrieval.schema import Product
from retrieval.tables import (
    ADDED_FILES,
    PRODUCT_COLUMNS,
    PRODUCTS_FILE,
    ROWS_FILE,
    ROWS_PER_BATCH,
    TWINS_FILE,
    Twins,
    map_table,
    write_products,
    write_rows,
    write_twins,
)

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset


class Catalogue(Sequence[Product]):
    """A read-only sequence of products over memory-mapped Arrow files.

    A product keeps its row as long as it is there. Updates add rows behind the others, in files of their own, and mark
    rows as removed; a sequence of all products passes over those. Every uid, of a product or of a twin, has a place in
    the order of the catalogue: a uid that was changed keeps it, though its row is a new one.

    The files of products have the stream layout of Hugging Face Datasets, so ``Dataset.from_file`` reads them too.

    Attributes:
        places: Place of the product of each row, removed ones too ``(rows,)``.
        removed: Which rows are removed ``(rows,)``.
        live: The rows that are not, in ascending order.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open the catalogue in a folder that ``write`` filled.

        Raises:
            IndexDamaged: The files are not Arrow files of products.
        """
        import pyarrow as pa

        self.folder = Path(folder)
        self.report: CatalogueReport | None = None
        self._keep: tempfile.TemporaryDirectory[str] | None = None
        products = [self.folder / PRODUCTS_FILE, *sorted(self.folder.glob(ADDED_FILES))]
        self.files = [*products, self.folder / ROWS_FILE, self.folder / TWINS_FILE]
        self._table = pa.concat_tables([map_table(path, PRODUCT_COLUMNS) for path in products])
        rows = map_table(self.folder / ROWS_FILE, ["place", "removed"])
        if len(rows) != len(self._table):
            raise IndexDamaged(f"{self.folder} holds {len(self._table)} products in {len(rows)} rows; build it again.")
        self.places: NDArray[np.int64] = rows["place"].to_numpy()
        self.removed: NDArray[np.bool_] = rows["removed"].to_numpy()
        self.live = np.flatnonzero(~self.removed)
        self.twins = Twins(map_table(self.folder / TWINS_FILE, ["row", "uid", "place"]))

    @classmethod
    def write(
        cls, reader: CatalogueReader, folder: Path | str, progress: Callable[[int], None] | None = None
    ) -> Catalogue:
        """Read a whole catalogue and store it in a folder; memory does not grow with the texts.

        Args:
            reader: The catalogue to read.
            folder: An existing folder.
            progress: Called with the rows read so far.

        Raises:
            CatalogueError: From the reader.
        """
        folder = Path(folder)

        def after_batch() -> None:
            if progress is not None:
                progress(reader.report.rows)

        write_products(folder / PRODUCTS_FILE, reader, after_batch)
        pairs = [(row, uid, reader.twin_places[uid]) for row, uids in reader.twins.items() for uid in uids]
        of_twins = np.fromiter(reader.twin_places.values(), dtype=np.int64)
        everything = np.arange(reader.report.usable + len(of_twins))
        write_rows(folder, np.setdiff1d(everything, of_twins, assume_unique=True), [])
        write_twins(folder, pairs)
        catalogue = cls(folder)
        catalogue.report = reader.report
        return catalogue

    @classmethod
    def read(cls, paths: Sequence[Path | str], **options: Any) -> Catalogue:
        """Read catalogue files into a temporary store that lives as long as the returned object.

        Args:
            paths: Files of JSON lines, plain or gzip.
            options: Those of ``CatalogueReader``: limit, seed, max_errors, on_reject, on_drop.
        """
        folder = tempfile.TemporaryDirectory(prefix="catalogue-")
        catalogue = cls.write(CatalogueReader(paths, **options), folder.name)
        catalogue._keep = folder
        return catalogue

    def __len__(self) -> int:
        return len(self.live)

    def __getitem__(self, place: int) -> Product:  # type: ignore[override]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self.at(int(self.live[place]))

    def __iter__(self) -> Iterator[Product]:
        return self.of_rows(self.live)

    def at(self, row: int) -> Product:
        """Return the product of a row."""
        uid, title, content = (column[row].as_py() for column in self._table.columns)
        return Product(uid, title, content, self.twins.of(row))

    def of_rows(self, rows: NDArray[np.int64]) -> Iterator[Product]:
        """Yield the products of rows; some thousands at a time are in memory."""
        for start in range(0, len(rows), ROWS_PER_BATCH):
            wanted = rows[start : start + ROWS_PER_BATCH]
            columns = (column.to_pylist() for column in self._table.take(wanted).columns)
            for row, (uid, title, content) in zip(wanted.tolist(), zip(*columns, strict=True), strict=True):
                yield Product(uid, title, content, self.twins.of(row))

    def find(self, uid: str) -> int | None:
        """Return the row of the product with this uid, or whose twin has it; None when there is none."""
        return self.rows_of([uid]).get(uid)

    def rows_of(self, uids: Collection[str]) -> dict[str, int]:
        """Return the row of each of these uids that there is, of a product or of a twin."""
        return dict(self._matches("uid", uids)) | self.twins.rows_of(uids)

    def with_titles(self, titles: Collection[str]) -> NDArray[np.int64]:
        """Return the rows whose title is one of these."""
        return np.asarray([row for _, row in self._matches("title", titles)], dtype=np.int64)

    def _matches(self, column: str, values: Collection[str]) -> Iterator[tuple[str, int]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = pc.is_in(self._table[column], value_set=pa.array(values, pa.string()))
        for row in np.flatnonzero(mask.to_numpy()):
            if not self.removed[row]:
                yield self._table[column][row].as_py(), int(row)

    def to_pandas(self) -> pandas.DataFrame:
        """Return all products as a data frame with the columns uid, title, content."""
        return self._table.take(self.live).to_pandas()

    def to_dataset(self) -> Dataset:
        """Return all products as a Hugging Face dataset, memory-mapped from the same files."""
        from datasets import Dataset, concatenate_datasets

        parts = [Dataset.from_file(str(path)) for path in self.files[:-2]]
        whole = concatenate_datasets(parts)
        return whole.select(self.live) if self.removed.any() else whole
