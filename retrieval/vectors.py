"""Vectors on disk while an index is built: more of them than fit into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.encoder import Vectors
from retrieval.files import sha256_of_files


class VectorShards(Sequence[Vectors]):
    """A folder of arrays ``(n, dimension)``, in row order, each memory-mapped when it is read.

    A shard appears when it is whole, under a name that holds its hash, and a folder that has some is taken up where it
    was left: ``rows`` says there.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, or take it up: up to the first shard that is missing or altered."""
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._paths: list[Path] = []
        for number, path in enumerate(sorted(folder.glob("*.npy"))):
            if path.name != _name(number, path):
                break
            self._paths.append(path)
        self.rows = sum(map(len, self))

    def append(self, vectors: Vectors) -> None:
        """Write the next shard."""
        unfinished = self.folder / "unfinished"
        with unfinished.open("wb") as stream:
            np.save(stream, vectors)
            stream.flush()
            os.fsync(stream.fileno())
        path = self.folder / _name(len(self), unfinished)
        for altered in self.folder.glob(f"{len(self):06d}-*"):
            altered.unlink()
        os.replace(unfinished, path)
        self._paths.append(path)
        self.rows += len(vectors)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Vectors:  # type: ignore[override]
        shard: Vectors = np.load(self._paths[number], mmap_mode="r")
        return shard


def _name(number: int, path: Path) -> str:
    return f"{number:06d}-{sha256_of_files([path])[:16]}.npy"
