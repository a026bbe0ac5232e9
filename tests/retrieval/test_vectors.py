from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.vectors import VectorShards


@pytest.fixture
def shards(tmp_path: Path) -> VectorShards:
    """Shards of 3, 3 and 2 rows."""
    made = VectorShards(tmp_path / "shards")
    for start, stop in ((0, 3), (3, 6), (6, 8)):
        made.append(np.arange(start * 4, stop * 4, dtype=np.float32).reshape(-1, 4))
    return made


def test_shards_are_taken_up_where_they_were_left(shards: VectorShards) -> None:
    (shards.folder / "unfinished").write_bytes(b"half of a shard")
    again = VectorShards(shards.folder)
    assert (len(again), again.rows) == (3, 8)
    assert np.concatenate(list(again)).tolist() == np.arange(32.0).reshape(8, 4).tolist()
    again.append(np.ones((1, 4), dtype=np.float32))
    assert VectorShards(shards.folder).rows == 9


def test_from_an_altered_shard_on_all_are_made_again(shards: VectorShards) -> None:
    path = sorted(shards.folder.glob("*.npy"))[1]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    again = VectorShards(shards.folder)
    assert again.rows == 3
    again.append(np.ones((5, 4), dtype=np.float32))
    assert [len(shard) for shard in VectorShards(shards.folder)] == [3, 5, 2]


def test_from_a_missing_shard_on_all_are_made_again(shards: VectorShards) -> None:
    sorted(shards.folder.glob("*.npy"))[0].unlink()
    assert VectorShards(shards.folder).rows == 0
