"""Exact search over vectors in parts, and the recall of another search against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Vectors

AT_ONCE = 65_536
"""Vectors that are held in 32 bits at a time."""


def rows_of(parts: Sequence[Vectors], rows: NDArray[np.int64]) -> Vectors:
    """Gather rows, given in ascending order, from the parts."""
    starts = np.cumsum([0, *map(len, parts)])
    cuts = np.searchsorted(rows, starts)
    picked = [part[rows[a:b] - start] for part, start, a, b in zip(parts, starts, cuts, cuts[1:], strict=False)]
    return np.concatenate(picked).astype(np.float32, copy=False)


def exact_nearest(parts: Sequence[Vectors], queries: Vectors, k: int) -> NDArray[np.int64]:
    """Return the rows ``(n, k)`` nearest to each query, by comparing all."""
    import faiss

    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    start = 0
    for part in parts:
        for first in range(0, len(part), AT_ONCE):
            chunk = np.ascontiguousarray(part[first : first + AT_ONCE], dtype=np.float32)
            scores, rows = faiss.knn(queries, chunk, min(k, len(chunk)), metric=faiss.METRIC_INNER_PRODUCT)
            best.add_result(scores, rows + start)
            start += len(chunk)
    best.finalize()
    found: NDArray[np.int64] = best.I
    return found


def recall(found: Sequence[NDArray[np.int64]], exact: NDArray[np.int64]) -> float:
    """Return the share of the rows ``(n, k)`` that exact search finds which were found too."""
    return sum(np.intersect1d(a, b).size for a, b in zip(found, exact, strict=True)) / exact.size
