"""Dense half of the index: FAISS over unit vectors, so that the inner product is the cosine."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.clusters import rearranged_lists
from retrieval.encoder import Vectors
from retrieval.errors import IndexDamaged, IndexStoreError

VECTORS_FILE = "vectors.faiss"
EXACT_UP_TO = 50_000
"""Vectors that are compared one by one; more are clustered."""
RECALL_AT = 50
RECALL_AIM = 0.975
_VECTORS_PER_LIST = 512
_TRAINED_PER_LIST = 48
_TRAINING_ROUNDS = 8
_SAMPLED_QUERIES = 256
_ADD_AT_ONCE = 65_536
_SEED = 0

Mask = NDArray[np.bool_]


class DenseIndex:
    """Inner-product search over the vectors of all products, by row.

    Up to ``EXACT_UP_TO`` vectors every one is compared. Beyond, they are clustered around centroids found by spherical
    k-means, each kept in 8 bits a dimension as its difference from its centroid, and a search reads the lists of the
    nearest centroids (IVF: Jégou, Douze & Schmid, "Product quantization for nearest neighbor search", PAMI 33(1),
    2011). How many lists it reads is measured when the index is built.
    """

    def __init__(self, faiss_index: Any, recall: float | None = None) -> None:
        """Wrap a FAISS index; ``build`` and ``open`` are the ways to have one."""
        self._faiss = faiss_index
        self._recall = recall

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
        if total <= exact_up_to:
            index = cls(faiss.IndexFlatIP(dimension))
            index._add(parts)
            return index
        lists = max(1, total // _VECTORS_PER_LIST)
        ivf = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension), dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        ivf.cp.niter = _TRAINING_ROUNDS
        rng = np.random.default_rng(_SEED)
        ivf.train(_rows(parts, np.sort(rng.permutation(total)[: lists * _TRAINED_PER_LIST])))
        index = cls(ivf)
        index._add(parts)
        ivf.make_direct_map(True)  # cosines of given rows are asked for
        if queries is None:
            queries = _rows(parts, np.sort(rng.permutation(total)[:_SAMPLED_QUERIES]))
        index._choose_probes(queries, _exact(parts, queries, min(RECALL_AT, total)))
        return index

    @classmethod
    def open(cls, folder: Path) -> DenseIndex:
        """Memory-map the index in a folder.

        Raises:
            IndexDamaged: FAISS cannot read the file.
        """
        import faiss

        path = folder / VECTORS_FILE
        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError as error:
            raise IndexDamaged(f"{path} is not a readable FAISS index; build the index again.") from error

    @classmethod
    def extended(cls, folder: Path, parts: Sequence[Vectors]) -> DenseIndex:
        """Read the index in a folder into memory and append vectors: a clustered one keeps its centroids.

        Raises:
            IndexDamaged: FAISS cannot read the file.
        """
        import faiss

        cls.open(folder)
        index = cls(faiss.read_index(str(folder / VECTORS_FILE)))
        index._add(parts)
        return index

    def rearranged(self, rows: NDArray[np.int64]) -> DenseIndex:
        """Return an index of some of the rows in another order: row ``i`` of it is ``rows[i]`` of this one.

        Vectors that are compared one by one are indexed anew, by the method that suits their number. Clustered ones
        keep their centroids and their codes.
        """
        if not self.clustered:
            return DenseIndex.build([self.vectors(rows)])
        return DenseIndex(rearranged_lists(self._faiss, rows))

    def save(self, folder: Path) -> None:
        """Write the index into a folder.

        Raises:
            IndexStoreError: The file cannot be written.
        """
        import faiss

        try:
            faiss.write_index(self._faiss, str(folder / VECTORS_FILE))
        except RuntimeError as error:
            raise IndexStoreError(f"Cannot write {folder / VECTORS_FILE}; is the disk full?") from error

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what the manifest records of the method."""
        common = {"backend": "faiss", "metric": "inner product"}
        if not self.clustered:
            return common | {"method": "flat", f"recall@{RECALL_AT}": 1.0}
        chosen = {"method": "ivf, 8-bit", "nlist": self._faiss.nlist, "nprobe": self._faiss.nprobe}
        return common | chosen | {f"recall@{RECALL_AT}": self._recall}

    @property
    def clustered(self) -> bool:
        """Whether the vectors are clustered, not compared one by one."""
        return hasattr(self._faiss, "nprobe")

    def cosines(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        """Return the cosine between a unit vector ``(dimension,)`` and each of these rows."""
        found: list[float] = (self.vectors(np.asarray(rows, dtype=np.int64)) @ vector).tolist()
        return found

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors ``(n, dimension)`` of rows; clustered ones as their codes tell."""
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
        scores, rows = self._search(vectors, k, excluded)
        if self.clustered and (rows < 0).any():  # the lists that were read hold fewer than k
            scores, rows = self._search(vectors, k, excluded, self._faiss.nlist)
        return [
            sorted(zip(r.tolist(), s.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
            for r, s in zip(rows, scores, strict=True)
        ]

    def _search(self, vectors: Vectors, k: int, excluded: Mask | None, probes: int | None = None) -> tuple[Any, Any]:
        import faiss

        library: Any = faiss  # whose stubs do not know what it adds in Python
        wanted: dict[str, Any] = {}
        if excluded is not None:
            bits = np.packbits(~np.asarray(excluded, dtype=bool), bitorder="little")
            wanted["sel"] = library.IDSelectorBitmap(bits)
        if not self.clustered:
            parameters = library.SearchParameters(**wanted) if wanted else None
        else:
            parameters = library.SearchParametersIVF(nprobe=probes or self._faiss.nprobe, **wanted)
        scores, rows = self._faiss.search(vectors, k, params=parameters)
        return scores, rows

    def _add(self, parts: Sequence[Vectors]) -> None:
        for part in parts:
            for start in range(0, len(part), _ADD_AT_ONCE):
                self._faiss.add(np.ascontiguousarray(part[start : start + _ADD_AT_ONCE], dtype=np.float32))

    def _choose_probes(self, queries: Vectors, exact: NDArray[np.int64]) -> None:
        """Read as few lists as bring recall up to the aim, to within a fifth; all of them if need be."""

        def recall(probes: int) -> float:
            _, found = self._search(queries, exact.shape[1], None, probes)
            return sum(np.intersect1d(a, b).size for a, b in zip(found, exact, strict=True)) / exact.size

        lists = self._faiss.nlist
        steps = [*dict.fromkeys(math.floor(1.2**power) for power in range(math.ceil(math.log(lists, 1.2)))), lists]
        probes = steps[min(bisect_left(steps, RECALL_AIM, key=recall), len(steps) - 1)]
        self._faiss.nprobe, self._recall = probes, round(recall(probes), 4)


def _rows(parts: Sequence[Vectors], rows: NDArray[np.int64]) -> Vectors:
    """Gather rows, given in ascending order, from the parts."""
    starts = np.cumsum([0, *map(len, parts)])
    cuts = np.searchsorted(rows, starts)
    picked = [part[rows[a:b] - start] for part, start, a, b in zip(parts, starts, cuts, cuts[1:], strict=False)]
    return np.concatenate(picked).astype(np.float32, copy=False)


def _exact(parts: Sequence[Vectors], queries: Vectors, k: int) -> NDArray[np.int64]:
    """Return the rows ``(n, k)`` nearest to each query, by comparing all."""
    import faiss

    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    start = 0
    for part in parts:
        for first in range(0, len(part), _ADD_AT_ONCE):
            chunk = np.ascontiguousarray(part[first : first + _ADD_AT_ONCE], dtype=np.float32)
            scores, rows = faiss.knn(queries, chunk, min(k, len(chunk)), metric=faiss.METRIC_INNER_PRODUCT)
            best.add_result(scores, rows + start)
            start += len(chunk)
    best.finalize()
    found: NDArray[np.int64] = best.I
    return found
