"""The catalogue on disk: products as Arrow, memory-mapped, in the order in which they were read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import IndexDamaged
from retrieval.reader import CatalogueReader, CatalogueReport
from retrieval.schema import Product

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from datasets import Dataset

PRODUCTS_FILE = "products.arrow"
TWINS_FILE = "twins.arrow"
_ROWS_PER_BATCH = 4_096


class Catalogue(Sequence[Product]):
    """A read-only sequence of products over memory-mapped Arrow files.

    The files have the stream layout of Hugging Face Datasets, so ``Dataset.from_file`` reads them too.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open the catalogue in a folder that ``write`` filled.

        Raises:
            IndexDamaged: The files are not Arrow files of products.
        """
        self.folder = Path(folder)
        self.report: CatalogueReport | None = None
        self._keep: tempfile.TemporaryDirectory[str] | None = None
        self._table = _map(self.folder / PRODUCTS_FILE, ["uid", "title", "content"])
        twins = _map(self.folder / TWINS_FILE, ["row", "uid"])
        self._twins: dict[int, tuple[str, ...]] = {}
        self._row_of_twin: dict[str, int] = {}
        for row, uid in zip(twins["row"].to_pylist(), twins["uid"].to_pylist(), strict=True):
            self._twins[row] = (*self._twins.get(row, ()), uid)
            self._row_of_twin[uid] = row

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
        import pyarrow as pa

        folder = Path(folder)
        schema = pa.schema([("uid", pa.string()), ("title", pa.string()), ("content", pa.large_string())])
        with pa.ipc.new_stream(str(folder / PRODUCTS_FILE), schema) as stream:
            products = iter(reader)
            while batch := list(islice(products, _ROWS_PER_BATCH)):
                columns = [[p.uid for p in batch], [p.title for p in batch], [p.content for p in batch]]
                arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
                stream.write_batch(pa.record_batch(arrays, schema=schema))
                if progress is not None:
                    progress(reader.report.rows)
        pairs = [(row, uid) for row, uids in sorted(reader.twins.items()) for uid in uids]
        twins = pa.table(
            {
                "row": pa.array([row for row, _ in pairs], pa.int64()),
                "uid": pa.array([u for _, u in pairs], pa.string()),
            }
        )
        with pa.ipc.new_stream(str(folder / TWINS_FILE), twins.schema) as stream:
            stream.write_table(twins)
        catalogue = cls(folder)
        catalogue.report = reader.report
        return catalogue

    @classmethod
    def read(cls, paths: Sequence[Path | str], **options: Any) -> Catalogue:
        """Read catalogue files into a temporary store that lives as long as the returned object.

        Args:
            paths: Files of JSON lines, plain or gzip.
            options: Those of ``CatalogueReader``: limit, seed, max_errors, on_reject.
        """
        folder = tempfile.TemporaryDirectory(prefix="catalogue-")
        catalogue = cls.write(CatalogueReader(paths, **options), folder.name)
        catalogue._keep = folder
        return catalogue

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, row: int) -> Product:  # type: ignore[override]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        uid, title, content = (column[row].as_py() for column in self._table.columns)
        return Product(uid, title, content, self._twins.get(row, ()))

    def __iter__(self) -> Iterator[Product]:
        row = 0
        for batch in self._table.to_batches():
            for uid, title, content in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield Product(uid, title, content, self._twins.get(row, ()))
                row += 1

    def find(self, uid: str) -> int | None:
        """Return the row of the product with this uid, or whose twin has it; None when there is none."""
        import pyarrow.compute as pc

        if uid in self._row_of_twin:
            return self._row_of_twin[uid]
        row = pc.index(self._table["uid"], value=uid).as_py()
        return row if row >= 0 else None

    def to_pandas(self) -> pandas.DataFrame:
        """Return all products as a data frame with the columns uid, title, content."""
        return self._table.to_pandas()

    def to_dataset(self) -> Dataset:
        """Return all products as a Hugging Face dataset, memory-mapped from the same file."""
        from datasets import Dataset

        return Dataset.from_file(str(self.folder / PRODUCTS_FILE))


def _map(path: Path, columns: list[str]) -> pyarrow.Table:
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise IndexDamaged(f"{path} is not a readable Arrow file ({error}); build the index again.") from error
    if table.column_names != columns:
        raise IndexDamaged(f"{path} has the columns {table.column_names} instead of {columns}; build the index again.")
    return table
