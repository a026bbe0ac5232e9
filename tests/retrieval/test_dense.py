from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.dense import VECTORS_FILE, DenseIndex
from retrieval.errors import IndexDamaged

DIMENSION = 24


def unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made(vectors: np.ndarray) -> DenseIndex:
    index = DenseIndex.empty(vectors.shape[1])
    index.add(vectors[:7])
    index.add(vectors[7:])
    return index


@pytest.fixture(params=["in memory", "reloaded"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> DenseIndex:
    """400 vectors, as they were added or saved and opened again."""
    index = made(unit(1, 400))
    if request.param == "reloaded":
        index.save(tmp_path)
        index = DenseIndex.open(tmp_path)
    return index


@pytest.mark.parametrize("k", [1, 10, 100, 400])
@pytest.mark.parametrize("questions", [1, 30])
def test_the_nearest_rows_are_those_of_brute_force(index: DenseIndex, k: int, questions: int) -> None:
    queries = unit(2, questions)
    cosines = queries.astype(np.float64) @ unit(1, 400).astype(np.float64).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    found = index.search(queries, k)
    assert [[row for row, _ in each] for each in found] == order.tolist()
    assert np.array([[s for _, s in each] for each in found]) == pytest.approx(
        np.take_along_axis(cosines, order, 1), abs=1e-6
    )


def test_a_vector_finds_itself_with_cosine_one_whatever_its_layout(index: DenseIndex) -> None:
    assert len(index) == 400
    turned = np.asfortranarray(unit(1, 400)[[5, 395]].astype(np.float64))
    assert [each[0] for each in index.search(turned, 1)] == [(5, pytest.approx(1)), (395, pytest.approx(1))]


def test_k_larger_than_the_index_gives_every_row_once(index: DenseIndex) -> None:
    (found,) = index.search(unit(3, 1), 1_000)
    assert sorted(row for row, _ in found) == list(range(400))


@pytest.mark.parametrize("k", [1, 5, 150, 300])
@pytest.mark.parametrize("questions", [1, 30])
def test_equal_cosines_come_in_row_order_also_where_they_are_cut_off(k: int, questions: int) -> None:
    east, north = np.eye(2, DIMENSION, dtype=np.float32)
    index = made(np.array([north] * 3 + [east] * 294 + [north] * 3))
    for found in index.search(np.tile(east, (questions, 1)), k):
        assert found == ([(row, 1.0) for row in range(3, 297)] + [(r, 0.0) for r in (0, 1, 2, 297, 298, 299)])[:k]


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing"])
def test_a_file_that_faiss_cannot_read_is_damage(tmp_path: Path, damage: str) -> None:
    made(unit(1, 20)).save(tmp_path)
    path = tmp_path / VECTORS_FILE
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:-1], "text": b"vectors" * 50, "missing": b""}[damage])
    if damage == "missing":
        path.unlink()
    with pytest.raises(IndexDamaged, match=r"vectors\.faiss is not a readable FAISS index; build the index again"):
        DenseIndex.open(tmp_path)
