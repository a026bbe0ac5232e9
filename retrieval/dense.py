"""Dense half of the index: unit vectors, so that the inner product is the cosine."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.codes import code_cosines, codes_of, emptied, trained
from retrieval.encoder import Vectors
from retrieval.errors import IndexDamaged, IndexStoreError, IndexVersionError
from retrieval.exact import AT_ONCE, exact_nearest, recall, rows_of
from retrieval.scan import Scan

VECTORS_FILE = "vectors.faiss"
EXACT_UP_TO = 50_000
"""Vectors that are kept in 32 bits and compared one by one; of more, few are compared after a scan of all."""
RECALL_AT = 50
RECALL_AIM = 0.975
_TRAINED_ON = (1_024, 16_384)
_DEEPEST = 8_192
_COMPARED_PER_HIT = 4
_SAMPLED_QUERIES = 256
_SEED = 0

Mask = NDArray[np.bool_]


class DenseIndex:
    """Inner-product search over the vectors of all products, by row.

    Up to ``EXACT_UP_TO`` vectors every one is compared. Beyond, each is kept in 8 bits a dimension, and those are
    compared that a ``Scan`` of shorter codes finds nearest. How many that must be is measured when the index is built.

    Attributes:
        parameters: What the manifest records of the method.
    """

    def __init__(self, vectors: Any, scan: Scan | None, parameters: dict[str, Any]) -> None:
        """Wrap a FAISS index of the vectors; ``build`` and ``open`` are the ways to have one."""
        self._faiss = vectors
        self._scan = scan
        self.parameters = parameters

    @classmethod
    def build(
        cls, parts: Sequence[Vectors], queries: Vectors | None = None, *, exact_up_to: int = EXACT_UP_TO
    ) -> DenseIndex:
        """Index vectors, the method chosen by their number.

        Args:
            parts: Unit vectors ``(n, dimension)`` in row order; each part is read as often as it is needed, so that
                parts that are memory-mapped need not fit into memory. At least one, which may be empty.
            queries: Unit vectors ``(n, dimension)`` of questions, to measure recall with; some of the rows by default.
            exact_up_to: Vectors that are still compared one by one.
        """
        import faiss

        total, dimension = sum(map(len, parts)), parts[0].shape[1]
        common = {"backend": "faiss", "metric": "inner product"}
        if total <= exact_up_to:
            flat = cls(faiss.IndexFlatIP(dimension), None, common | {"method": "flat", f"recall@{RECALL_AT}": 1.0})
            flat._add(parts)
            return flat
        rng = np.random.default_rng(_SEED)
        sample = rows_of(parts, np.sort(rng.integers(total, size=np.clip(total, *_TRAINED_ON))))
        index = cls(trained(sample), Scan.train(sample), common | {"method": "scan, 8-bit"})
        index._add(parts)
        if queries is None:
            queries = rows_of(parts, np.sort(rng.permutation(total)[:_SAMPLED_QUERIES]))
        index.parameters |= index._chosen_depth(queries, exact_nearest(parts, queries, min(RECALL_AT, total)))
        return index

    @classmethod
    def open(cls, folder: Path, parameters: dict[str, Any]) -> DenseIndex:
        """Open the index in a folder: vectors memory-mapped, the scan in memory.

        Args:
            folder: The folder.
            parameters: What the manifest records of the method.

        Raises:
            IndexDamaged: FAISS cannot read a file.
            IndexVersionError: Its method is not one of this version.
        """
        import faiss

        index = cls._read(folder, parameters, faiss.IO_FLAG_MMAP_IFC)
        return cls(index._faiss, index._scan and index._scan.split(), parameters)

    @classmethod
    def extended(cls, folder: Path, parameters: dict[str, Any], parts: Sequence[Vectors]) -> DenseIndex:
        """Read the index in a folder into memory and append vectors, coded with the ranges and values learned before.

        Raises:
            IndexDamaged: FAISS cannot read a file.
            IndexVersionError: Its method is not one of this version.
        """
        index = cls._read(folder, parameters, 0)
        index._add(parts)
        return index

    @classmethod
    def _read(cls, folder: Path, parameters: dict[str, Any], flags: int) -> DenseIndex:
        import faiss

        path = folder / VECTORS_FILE
        try:
            vectors = faiss.read_index(str(path), flags)
        except RuntimeError as error:
            raise IndexDamaged(f"{path} is not a readable FAISS index; build the index again.") from error
        if isinstance(vectors, faiss.IndexFlatIP):
            return cls(vectors, None, parameters)
        if not isinstance(vectors, faiss.IndexScalarQuantizer):
            raise IndexVersionError(f"{path} was written by an earlier version; build the index again.")
        scan = Scan.open(folder)
        if len(scan) != vectors.ntotal:
            raise IndexDamaged(f"{folder} has {vectors.ntotal} vectors and scans {len(scan)}; build the index again.")
        return cls(vectors, scan, parameters)

    def rearranged(self, rows: NDArray[np.int64]) -> DenseIndex:
        """Return an index of some of the rows in another order: row ``i`` of it is ``rows[i]`` of this one.

        Vectors in 32 bits are indexed anew, by the method that suits their number; where they are scanned, recall is
        measured with some of them. Those in 8 bits keep their codes.
        """
        if self._scan is None:
            return DenseIndex.build([self.vectors(rows)])
        index = DenseIndex(emptied(self._faiss), self._scan.emptied(), self.parameters)
        for start in range(0, len(rows), AT_ONCE):
            index._faiss.add_sa_codes(codes_of(self._faiss, rows[start : start + AT_ONCE]))
            index._scan_from(start)
        return index

    def save(self, folder: Path) -> None:
        """Write the index into a folder.

        Raises:
            IndexStoreError: A file cannot be written.
        """
        import faiss

        try:
            faiss.write_index(self._faiss, str(folder / VECTORS_FILE))
        except RuntimeError as error:
            raise IndexStoreError(f"Cannot write {folder / VECTORS_FILE}; is the disk full?") from error
        if self._scan is not None:
            self._scan.save(folder)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    @property
    def scanned(self) -> bool:
        """Whether the vectors are scanned first, not all compared one by one."""
        return self._scan is not None

    def cosines(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        """Return the cosine between a unit vector ``(dimension,)`` and each of these rows."""
        found: list[float] = self._cosines(vector, np.asarray(rows, dtype=np.int64)).tolist()
        return found

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors ``(n, dimension)`` of rows, those in 8 bits as their codes tell."""
        found: Vectors = self._faiss.reconstruct_batch(rows)
        return found

    def search(self, vectors: Vectors, k: int, excluded: Mask | None = None) -> list[list[tuple[int, float]]]:
        """Find the nearest rows of each vector.

        Args:
            vectors: Unit vectors ``(n, dimension)``.
            k: Rows wanted for each.
            excluded: Rows never to be found, ``(len(self),)``.

        Returns:
            For each vector, pairs of row and cosine, best first, equal cosines in row order.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        available = len(self) if excluded is None else len(self) - int(np.count_nonzero(excluded))
        k = min(k, available)
        if not k:
            return [[] for _ in vectors]
        wanted = max(self.parameters.get("rescored", 0), _COMPARED_PER_HIT * k)
        if self._scan is None or 4 * wanted > available:
            return self._compare_all(vectors, k, excluded)
        found = []
        for vector, rows in zip(vectors, self._scan.search(vectors, wanted * len(self) // available), strict=True):
            left = rows[rows >= 0]
            if excluded is not None:
                left = left[~excluded[left]]
            if 2 * len(left) < wanted:  # what is near has been excluded, or nothing is nearer than the rest
                found += self._compare_all(vector[None], k, excluded)
            else:
                found.append(_ranked(left, self._cosines(vector, left))[:k])
        return found

    def _compare_all(self, vectors: Vectors, k: int, excluded: Mask | None) -> list[list[tuple[int, float]]]:
        import faiss

        library: Any = faiss  # whose stubs do not know what it adds in Python
        parameters = None
        if excluded is not None:
            bits = np.packbits(~np.asarray(excluded, dtype=bool), bitorder="little")
            parameters = library.SearchParameters(sel=library.IDSelectorBitmap(bits))
        scores, rows = self._faiss.search(vectors, k, params=parameters)
        return [_ranked(r, s) for r, s in zip(rows, scores, strict=True)]

    def _cosines(self, vector: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if self._scan is not None:
            return code_cosines(self._faiss, vector, rows)
        found: NDArray[np.float32] = self.vectors(rows) @ vector
        return found

    def _add(self, parts: Sequence[Vectors]) -> None:
        for part in parts:
            for start in range(0, len(part), AT_ONCE):
                before = len(self)
                self._faiss.add(np.ascontiguousarray(part[start : start + AT_ONCE], dtype=np.float32))
                self._scan_from(before)

    def _scan_from(self, row: int) -> None:
        """Add the rows from this one on to the scan, as their codes tell them: it can be made again from those."""
        if self._scan is not None:
            self._scan.add(self._faiss.reconstruct_n(row, len(self) - row))

    def _chosen_depth(self, queries: Vectors, exact: NDArray[np.int64]) -> dict[str, Any]:
        """Choose as few rows to compare as bring recall up to the aim, to within a fifth; or as many as are tried."""
        assert self._scan is not None
        deepest = min(_DEEPEST, len(self))
        rows = self._scan.search(queries, deepest)
        cosines = [self._cosines(query, each) for query, each in zip(queries, rows, strict=True)]

        def recall_at(depth: int) -> float:
            best = [r[np.argsort(-c[:depth])[: exact.shape[1]]] for r, c in zip(rows, cosines, strict=True)]
            return recall(best, exact)

        steps = [RECALL_AT * math.floor(1.2**power) for power in range(28)]
        steps = [*dict.fromkeys(step for step in steps if step < deepest), deepest]
        depth = steps[min(bisect_left(steps, RECALL_AIM, key=recall_at), len(steps) - 1)]
        return {"rescored": depth, f"recall@{RECALL_AT}": round(recall_at(depth), 4)}


def _ranked(rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    order = np.lexsort((rows, -scores))
    return list(zip(rows[order].tolist(), scores[order].tolist(), strict=True))
