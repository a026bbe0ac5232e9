from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.dense import VECTORS_FILE, DenseIndex
from retrieval.errors import IndexDamaged
from retrieval.vectors import VectorShards

DIMENSION = 24


def unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made(vectors: np.ndarray) -> DenseIndex:
    return DenseIndex.build([vectors[:7], vectors[7:]])


@pytest.fixture(params=["in memory", "reloaded"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> DenseIndex:
    """400 vectors, as they were added or saved and opened again."""
    index = made(unit(1, 400))
    if request.param == "reloaded":
        index.save(tmp_path)
        index = DenseIndex.open(tmp_path, {})
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
        DenseIndex.open(tmp_path, {})


COUNT = 3_000


def topics(seed: int, count: int) -> np.ndarray:
    """Vectors around forty topics, as products are."""
    centres = np.random.default_rng(9).normal(size=(40, DIMENSION))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 40, count)] + rng.normal(size=(count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    """An index of clusters, saved and opened again; its vectors come in parts."""
    vectors = topics(1, COUNT)
    built = DenseIndex.build([vectors[:1], vectors[1:2_000], vectors[2_000:]], topics(2, 100), exact_up_to=COUNT - 1)
    folder = tmp_path_factory.mktemp("clustered")
    built.save(folder)
    assert built.parameters["recall@50"] >= 0.97
    return DenseIndex.open(folder, built.parameters)


def test_clusters_are_for_more_vectors_than_are_compared_exactly(clustered: DenseIndex) -> None:
    assert DenseIndex.build([topics(1, COUNT)], exact_up_to=COUNT).parameters["method"] == "flat"
    assert clustered.parameters["method"] == "scan, 8-bit"
    assert len(clustered) == COUNT


def test_clusters_find_what_exact_search_finds(clustered: DenseIndex) -> None:
    queries = topics(3, 200)
    exact = np.argsort(-queries @ topics(1, COUNT).T, axis=1)[:, :50]
    found = clustered.search(queries, 50)
    recall = np.mean([len({row for row, _ in hits} & set(rows)) / 50 for hits, rows in zip(found, exact, strict=True)])
    assert recall >= 0.97


def test_clusters_give_cosines_of_any_row_and_the_same_ones_as_search(clustered: DenseIndex) -> None:
    query = topics(4, 1)[0]
    rows = [2_999, 0, 1, 1_500]
    assert clustered.cosines(query, rows) == pytest.approx(topics(1, COUNT)[rows] @ query, abs=0.01)
    (found,) = clustered.search(query[None], 20)
    assert clustered.cosines(query, [row for row, _ in found]) == pytest.approx([s for _, s in found], abs=1e-5)


def test_clusters_give_as_many_rows_as_asked_for_where_there_are_so_many(clustered: DenseIndex) -> None:
    (found,) = clustered.search(topics(5, 1), 2 * COUNT)
    assert sorted(row for row, _ in found) == list(range(COUNT))


@pytest.mark.parametrize("method", ["flat", "clustered"])
def test_excluded_rows_are_not_found_and_the_others_keep_their_order(method: str, clustered: DenseIndex) -> None:
    index = clustered if method == "clustered" else DenseIndex.build([topics(1, COUNT)])
    queries = topics(6, 3)
    before = index.search(queries, 60)
    excluded = np.zeros(COUNT, dtype=bool)
    excluded[[row for hits in before for row, _ in hits[:20]]] = True
    for hits, left in zip(before, index.search(queries, 30, excluded), strict=True):
        expected = [(row, pytest.approx(score)) for row, score in hits if not excluded[row]]
        assert left[: len(expected)] == expected[:30]
        assert not excluded[[row for row, _ in left]].any()
    excluded[:] = True
    assert index.search(queries, 5, excluded) == [[], [], []]
    excluded[7] = False
    assert [[row for row, _ in hits] for hits in index.search(queries, 5, excluded)] == [[7]] * 3


def test_equal_vectors_give_an_equal_file(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        DenseIndex.build([topics(1, COUNT)], exact_up_to=0).save(tmp_path / name)
        files.append((tmp_path / name / VECTORS_FILE).read_bytes())
    assert files[0] == files[1]


def test_shards_are_taken_up_where_they_were_left(tmp_path: Path) -> None:
    vectors = topics(1, 50)
    shards = VectorShards(tmp_path / "shards")
    shards.append(vectors[:30])
    (tmp_path / "shards" / "unfinished").write_bytes(b"cut off")
    again = VectorShards(tmp_path / "shards")
    assert (again.rows, len(again)) == (30, 1)
    again.append(vectors[30:])
    assert np.array_equal(np.concatenate(list(VectorShards(tmp_path / "shards"))), vectors)
