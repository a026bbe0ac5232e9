"""Dense half of the index: FAISS over unit vectors, so that the inner product is the cosine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoder import Vectors
from retrieval.errors import IndexDamaged, IndexStoreError

VECTORS_FILE = "vectors.faiss"


class DenseIndex:
    """Exact inner-product search over the vectors of all products, in row order."""

    def __init__(self, faiss_index: Any) -> None:
        """Wrap a FAISS index."""
        self._faiss = faiss_index

    @classmethod
    def empty(cls, dimension: int) -> DenseIndex:
        """Make an index without vectors."""
        import faiss

        return cls(faiss.IndexFlatIP(dimension))

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

    def add(self, vectors: Vectors) -> None:
        """Append vectors ``(n, dimension)`` as the next ``n`` rows."""
        self._faiss.add(vectors)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what the manifest records of the method."""
        return {"backend": "faiss", "method": "flat", "metric": "inner product"}

    def cosines(self, vector: Vectors, rows: Sequence[int]) -> list[float]:
        """Return the cosine between a unit vector ``(dimension,)`` and each of these rows."""
        found: list[float] = (self._faiss.reconstruct_batch(np.asarray(rows, dtype=np.int64)) @ vector).tolist()
        return found

    def search(self, vectors: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Find the nearest rows of each vector.

        Args:
            vectors: Unit vectors ``(n, dimension)``.
            k: Rows wanted for each.

        Returns:
            For each vector, pairs of row and cosine, best first, equal cosines in row order.
        """
        scores, rows = self._faiss.search(np.ascontiguousarray(vectors, dtype=np.float32), min(k, len(self)))
        return [
            sorted(zip(r.tolist(), s.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
            for r, s in zip(rows, scores, strict=True)
        ]
