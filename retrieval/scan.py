"""First pass over very many vectors: four bits for some dimensions together, compared in the processor's registers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Vectors
from retrieval.errors import IndexDamaged, IndexStoreError

SCAN_FILE = "scan.faiss"
_MOST_CODES = 128
_BLOCK = 32
_CODE_BITS = 4


class Scan:
    """Approximate inner products with all vectors: a product quantiser whose tables fit into registers.

    Of each vector 64 bytes or less are kept: the nearest of 16 learned values of each two dimensions, of more where a
    vector has more than 256 (André, Kermarrec & Le Scouarnec, "Cache locality is not enough: high-performance nearest
    neighbor search with product quantization fast scan", VLDB 9(4), 2015). The code of a vector depends on that vector
    and on the learned values alone.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        """Wrap FAISS indexes of rows that follow each other; ``train`` and ``open`` are the ways to have one."""
        self._parts = parts

    @classmethod
    def train(cls, vectors: Vectors) -> Scan:
        """Learn the values from unit vectors ``(n, dimension)``; no row is added. At least 16 vectors."""
        import faiss

        dimension = vectors.shape[1]
        joined = next(n for n in range(2, dimension + 1) if dimension % n == 0 and dimension // n <= _MOST_CODES)
        index = faiss.IndexPQFastScan(dimension, dimension // joined, _CODE_BITS, faiss.METRIC_INNER_PRODUCT)
        with _single_threads(1) as thread:  # the learning of each code is too short to be shared by threads
            thread.submit(index.train, vectors).result()
        return cls([index])

    @classmethod
    def open(cls, folder: Path) -> Scan:
        """Read the scan in a folder into memory.

        Raises:
            IndexDamaged: FAISS cannot read the file.
        """
        import faiss

        path = folder / SCAN_FILE
        try:
            return cls([faiss.read_index(str(path))])
        except RuntimeError as error:
            raise IndexDamaged(f"{path} is not a readable FAISS index; build the index again.") from error

    def emptied(self) -> Scan:
        """Return a scan without rows that has learned the same values."""
        return Scan([_part(self._parts[0], np.empty(0, np.uint8), 0)])

    def split(self) -> Scan:
        """Return the scan in as many parts as there are threads to search with; nothing can be added to it."""
        import faiss

        (whole,) = self._parts
        codes = faiss.vector_to_array(whole.codes)
        blocks = -(-whole.ntotal // _BLOCK)
        cuts = np.unique(np.linspace(0, blocks, faiss.omp_get_max_threads() + 1).astype(int)).tolist()
        size = len(codes) // max(1, blocks)
        return Scan(
            [
                _part(whole, codes[a * size : b * size], min(b * _BLOCK, whole.ntotal) - a * _BLOCK)
                for a, b in pairwise(cuts)
            ]
        )

    def add(self, vectors: Vectors) -> None:
        """Append unit vectors ``(n, dimension)``."""
        (whole,) = self._parts
        whole.add(vectors)

    def save(self, folder: Path) -> None:
        """Write the scan into a folder.

        Raises:
            IndexStoreError: The file cannot be written.
        """
        import faiss

        (whole,) = self._parts
        try:
            faiss.write_index(whole, str(folder / SCAN_FILE))
        except RuntimeError as error:
            raise IndexStoreError(f"Cannot write {folder / SCAN_FILE}; is the disk full?") from error

    def __len__(self) -> int:
        return sum(int(part.ntotal) for part in self._parts)

    def search(self, vectors: Vectors, depth: int) -> NDArray[np.int64]:
        """Return the rows ``(n, depth)`` that seem nearest to each of the vectors ``(n, dimension)``, best first."""

        def nearest(part: Any, start: int) -> tuple[Any, Any]:
            scores, rows = part.search(vectors, min(depth, part.ntotal))
            return scores, rows + start

        starts = np.cumsum([0, *(part.ntotal for part in self._parts)]).tolist()
        found = list(self._threads.map(nearest, self._parts, starts))
        scores, rows = (np.hstack(each) for each in zip(*found, strict=True))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best: NDArray[np.int64] = np.take_along_axis(rows, order, 1)
        return best

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return _single_threads(len(self._parts))


def _single_threads(count: int) -> ThreadPoolExecutor:
    """Return threads in each of which FAISS makes no threads of its own."""
    import faiss

    return ThreadPoolExecutor(count, initializer=faiss.omp_set_num_threads, initargs=(1,))


def _part(index: Any, codes: NDArray[np.uint8], rows: int) -> Any:
    """Return a FAISS index that has learned what another has, and holds these rows."""
    import faiss

    made: Any = faiss.IndexPQFastScan(index.d, index.M, _CODE_BITS, index.metric_type)
    made.pq, made.is_trained = index.pq, True
    faiss.copy_array_to_AlignedTable(codes, made.codes)
    made.ntotal = rows
    made.ntotal2 = -(-rows // _BLOCK) * _BLOCK
    return made
