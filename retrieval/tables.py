"""The Arrow tables that a catalogue is stored in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamaged
from retrieval.schema import Product

if TYPE_CHECKING:
    import pyarrow

PRODUCTS_FILE = "products.arrow"
ADDED_FILES = "products-*.arrow"
ROWS_FILE = "rows.arrow"
TWINS_FILE = "twins.arrow"
PRODUCT_COLUMNS = ["uid", "title", "content"]
ROWS_PER_BATCH = 4_096


class Twins:
    """The other uids of products: a table of row, uid and place, sorted by row and place."""

    def __init__(self, table: pyarrow.Table) -> None:
        """Wrap a table."""
        self._uids = table["uid"]
        self.rows: NDArray[np.int64] = table["row"].to_numpy()
        self.places: NDArray[np.int64] = table["place"].to_numpy()
        self._having = frozenset(self.rows.tolist())

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, row: int) -> tuple[str, ...]:
        """Return the other uids of a row."""
        return tuple(uid for uid, _ in self.with_places(row))

    def with_places(self, row: int) -> list[tuple[str, int]]:
        """Return the other uids of a row, and their places."""
        if row not in self._having:
            return []
        first, last = np.searchsorted(self.rows, [row, row + 1])
        return list(zip(self._uids[first:last].to_pylist(), self.places[first:last].tolist(), strict=True))

    def rows_of(self, uids: Collection[str]) -> dict[str, int]:
        """Return the row of each of these uids that a twin has."""
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = pc.is_in(self._uids, value_set=pa.array(uids, pa.string())).to_numpy()
        return dict(zip(self._uids.filter(mask).to_pylist(), self.rows[mask].tolist(), strict=True))

    def __iter__(self) -> Iterator[tuple[int, str, int]]:
        """Yield row, uid and place of each."""
        return zip(self.rows.tolist(), self._uids.to_pylist(), self.places.tolist(), strict=True)


def write_products(path: Path, products: Iterable[Product], progress: Callable[[], None] | None = None) -> None:
    """Write products as an Arrow stream; memory does not grow with their number.

    Args:
        path: The file.
        products: The products.
        progress: Called after each batch.
    """
    import pyarrow as pa

    schema = pa.schema([("uid", pa.string()), ("title", pa.string()), ("content", pa.large_string())])
    rest = iter(products)
    with pa.ipc.new_stream(str(path), schema) as stream:
        while batch := list(islice(rest, ROWS_PER_BATCH)):
            columns = [[p.uid for p in batch], [p.title for p in batch], [p.content for p in batch]]
            arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
            stream.write_batch(pa.record_batch(arrays, schema=schema))
            if progress is not None:
                progress()


def write_rows(folder: Path, places: NDArray[np.int64], removed: Sequence[int] | NDArray[np.int64]) -> None:
    """Write the place of each row, and which rows are removed."""
    import pyarrow as pa

    marks = np.zeros(len(places), dtype=bool)
    marks[np.asarray(removed, dtype=np.int64)] = True
    _write_table(folder / ROWS_FILE, pa.table({"place": pa.array(places), "removed": pa.array(marks)}))


def write_twins(folder: Path, twins: Iterable[tuple[int, str, int]]) -> None:
    """Write row, uid and place of twins."""
    import pyarrow as pa

    ordered = sorted(twins, key=lambda twin: (twin[0], twin[2]))
    rows, uids, places = zip(*ordered, strict=True) if ordered else ((), (), ())
    columns = {
        "row": pa.array(rows, pa.int64()),
        "uid": pa.array(uids, pa.string()),
        "place": pa.array(places, pa.int64()),
    }
    _write_table(folder / TWINS_FILE, pa.table(columns))


def _write_table(path: Path, table: pyarrow.Table) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table)


def map_table(path: Path, columns: list[str]) -> pyarrow.Table:
    """Memory-map an Arrow file.

    Raises:
        IndexDamaged: It is not an Arrow file with these columns.
    """
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise IndexDamaged(f"{path} is not a readable Arrow file ({error}); build the index again.") from error
    if table.column_names != columns:
        raise IndexDamaged(f"{path} has the columns {table.column_names} instead of {columns}; build the index again.")
    return table
