"""Inverted lists of clustered vectors: their entries moved and renumbered, their codes as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rearranged_lists(index: Any, rows: NDArray[np.int64]) -> Any:
    """Return a copy of a FAISS IVF index that holds some of its rows in another order.

    Args:
        index: The index, with a direct map.
        rows: Row ``i`` of the copy is ``rows[i]`` of the index.
    """
    import faiss

    new_row = np.full(index.ntotal, -1, dtype=np.int64)
    new_row[rows] = np.arange(len(rows))
    old, size = index.invlists, index.code_size
    lists = faiss.ArrayInvertedLists(old.nlist, size)
    for number in range(old.nlist):
        held = old.list_size(number)
        if not held:
            continue
        ids = new_row[faiss.rev_swig_ptr(old.get_ids(number), held)]
        codes = faiss.rev_swig_ptr(old.get_codes(number), held * size).reshape(held, size)
        kept = np.flatnonzero(ids >= 0)
        kept = kept[np.argsort(ids[kept])]
        ids, codes = ids[kept], np.ascontiguousarray(codes[kept])
        if len(kept):
            lists.add_entries(number, len(kept), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    made: Any = faiss.clone_index(index)
    made.make_direct_map(False)
    made.replace_invlists(lists)
    made.ntotal = len(rows)
    made.make_direct_map(True)
    made.referenced_objects = [lists]  # FAISS does not own them
    return made
