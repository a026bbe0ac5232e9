"""Vectors on disk while an index is built: more of them than fit into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.encoder import Vectors


class VectorShards(Sequence[Vectors]):
    """A folder of arrays ``(n, dimension)``, in row order, each memory-mapped when it is read.

    A shard appears when it is whole, and a folder that has some is taken up where it was left: ``rows`` says there.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder, or make it."""
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._count = len(list(folder.glob("*.npy")))
        self.rows = sum(map(len, self))

    def append(self, vectors: Vectors) -> None:
        """Write the next shard."""
        unfinished = self.folder / "unfinished"
        with unfinished.open("wb") as stream:
            np.save(stream, vectors)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, self._path(self._count))
        self._count += 1
        self.rows += len(vectors)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Vectors:  # type: ignore[override]
        if not 0 <= number < self._count:
            raise IndexError(number)
        shard: Vectors = np.load(self._path(number), mmap_mode="r")
        return shard

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npy"
