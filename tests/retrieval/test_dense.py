from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from retrieval.dense import VECTORS_FILE, DenseIndex
from retrieval.errors import IndexDamaged, IndexVersionError
from retrieval.scan import SCAN_FILE, Scan
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
def scanned(tmp_path_factory: pytest.TempPathFactory) -> DenseIndex:
    """An index that is scanned, saved and opened again; its vectors come in parts."""
    vectors = topics(1, COUNT)
    built = DenseIndex.build([vectors[:1], vectors[1:2_000], vectors[2_000:]], topics(2, 100), exact_up_to=COUNT - 1)
    folder = tmp_path_factory.mktemp("scanned")
    built.save(folder)
    assert built.parameters["recall@50"] >= 0.97
    return DenseIndex.open(folder, built.parameters)


def test_a_scan_is_for_more_vectors_than_are_compared_one_by_one(scanned: DenseIndex) -> None:
    assert DenseIndex.build([topics(1, COUNT)], exact_up_to=COUNT).parameters["method"] == "flat"
    assert scanned.parameters["method"] == "scan, 8-bit"
    assert len(scanned) == COUNT


def test_a_scan_finds_what_exact_search_finds(scanned: DenseIndex) -> None:
    queries = topics(3, 200)
    exact = np.argsort(-queries @ topics(1, COUNT).T, axis=1)[:, :50]
    found = scanned.search(queries, 50)
    recall = np.mean([len({row for row, _ in hits} & set(rows)) / 50 for hits, rows in zip(found, exact, strict=True)])
    assert recall >= 0.97


def test_a_scan_gives_cosines_of_any_row_and_the_same_ones_as_search(scanned: DenseIndex) -> None:
    query = topics(4, 1)[0]
    rows = [2_999, 0, 1, 1_500]
    assert scanned.cosines(query, rows) == pytest.approx(topics(1, COUNT)[rows] @ query, abs=0.01)
    (found,) = scanned.search(query[None], 20)
    assert scanned.cosines(query, [row for row, _ in found]) == pytest.approx([s for _, s in found], abs=1e-5)


def test_a_scan_gives_as_many_rows_as_asked_for_where_there_are_so_many(scanned: DenseIndex) -> None:
    (found,) = scanned.search(topics(5, 1), 2 * COUNT)
    assert sorted(row for row, _ in found) == list(range(COUNT))


@pytest.mark.parametrize(("method", "shared"), [("flat", 30), ("scanned", 27)])
def test_excluded_rows_are_not_found_and_the_others_keep_their_order(
    method: str, shared: int, scanned: DenseIndex
) -> None:
    index = scanned if method == "scanned" else DenseIndex.build([topics(1, COUNT)])
    queries = topics(6, 3)
    before = index.search(queries, 60)
    excluded = np.zeros(COUNT, dtype=bool)
    excluded[[row for hits in before for row, _ in hits[:20]]] = True
    for hits, left in zip(before, index.search(queries, 30, excluded), strict=True):
        expected = {row: pytest.approx(score) for row, score in hits if not excluded[row]}
        common = [(row, score) for row, score in left if row in expected]
        assert common == [(row, score) for row, score in expected.items() if row in dict(common)]
        assert len(common) >= min(shared, len(expected))
        assert not excluded[[row for row, _ in left]].any()
    excluded[:] = True
    assert index.search(queries, 5, excluded) == [[], [], []]
    excluded[7] = False
    assert [[row for row, _ in hits] for hits in index.search(queries, 5, excluded)] == [[7]] * 3


def test_what_is_near_is_found_when_all_that_is_nearer_is_excluded(scanned: DenseIndex) -> None:
    query = topics(8, 1)
    cosines = topics(1, COUNT) @ query[0]
    order = np.argsort(-cosines)
    excluded = np.zeros(COUNT, dtype=bool)
    excluded[order[:500]] = True
    (found,) = scanned.search(query, 10, excluded)
    rows = [row for row, _ in found]
    assert not excluded[rows].any()
    assert cosines[rows].min() >= cosines[order[509]] - 0.005


def test_a_vector_of_nothing_is_as_near_to_each_row(scanned: DenseIndex) -> None:
    (found,) = scanned.search(np.zeros((1, DIMENSION)), 3)
    assert len({row for row, _ in found}) == 3
    assert [score for _, score in found] == [0, 0, 0]


@pytest.mark.parametrize("threads", [1, 2, 5, 1_000])
def test_a_scan_finds_the_same_in_parts(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: threads)
    scan = Scan.train(topics(1, COUNT))
    scan.add(topics(1, COUNT - 9))
    parts = scan.split()
    assert len(parts) == len(scan) == COUNT - 9
    for one, other in zip(scan.search(topics(3, 20), 100), parts.search(topics(3, 20), 100), strict=True):
        assert len(set(one) & set(other)) >= 98  # but for ties where they are cut off
    assert sorted(parts.search(topics(3, 1), COUNT)[0]) == list(range(COUNT - 9))


def saved(index: DenseIndex, folder: Path) -> list[bytes]:
    folder.mkdir()
    index.save(folder)
    return [(folder / name).read_bytes() for name in (VECTORS_FILE, SCAN_FILE)]


def test_equal_vectors_give_equal_files(tmp_path: Path) -> None:
    files = [saved(DenseIndex.build([topics(1, COUNT)], exact_up_to=0), tmp_path / name) for name in "ab"]
    assert files[0] == files[1]


def test_codes_depend_neither_on_when_a_row_was_added_nor_on_where_it_stands(tmp_path: Path) -> None:
    built = DenseIndex.build([topics(1, COUNT)], exact_up_to=0)
    whole = saved(built, tmp_path / "whole")
    rows = np.random.default_rng(4).permutation(COUNT)
    saved(built.rearranged(rows[:1_777]), tmp_path / "some")
    extended = DenseIndex.extended(tmp_path / "some", built.parameters, [topics(1, COUNT)[rows[1_777:]]])
    saved(extended, tmp_path / "extended")
    opened = DenseIndex.open(tmp_path / "extended", built.parameters)
    assert saved(opened.rearranged(np.argsort(rows)), tmp_path / "again") == whole
    assert opened.parameters == built.parameters
    found = [{rows[row] for row, _ in hits} for hits in opened.search(topics(3, 20), 10)]
    assert found == [{row for row, _ in hits} for hits in built.search(topics(3, 20), 10)]


@pytest.mark.parametrize("damage", ["cut", "missing", "of another index"])
def test_a_scan_that_does_not_fit_is_damage(tmp_path: Path, damage: str) -> None:
    built = DenseIndex.build([topics(1, 500)], exact_up_to=0)
    built.save(tmp_path)
    path = tmp_path / SCAN_FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "missing":
        path.unlink()
    else:
        (tmp_path / "other").mkdir()
        built.rearranged(np.arange(499)).save(tmp_path / "other")
        (tmp_path / "other" / SCAN_FILE).replace(path)
    told = "has 500 vectors and scans 499" if damage == "of another index" else "is not a readable FAISS index"
    with pytest.raises(IndexDamaged, match=told):
        DenseIndex.open(tmp_path, built.parameters)


def test_clusters_of_an_earlier_version_are_not_read(tmp_path: Path) -> None:
    clusters = faiss.index_factory(DIMENSION, "IVF4,SQ8", faiss.METRIC_INNER_PRODUCT)
    clusters.train(topics(1, 400))
    faiss.write_index(clusters, str(tmp_path / VECTORS_FILE))
    with pytest.raises(IndexVersionError, match="earlier version; build the index again"):
        DenseIndex.open(tmp_path, {"method": "ivf, 8-bit"})


def test_shards_are_taken_up_where_they_were_left(tmp_path: Path) -> None:
    vectors = topics(1, 50)
    shards = VectorShards(tmp_path / "shards")
    shards.append(vectors[:30])
    (tmp_path / "shards" / "unfinished").write_bytes(b"cut off")
    again = VectorShards(tmp_path / "shards")
    assert (again.rows, len(again)) == (30, 1)
    again.append(vectors[30:])
    assert np.array_equal(np.concatenate(list(VectorShards(tmp_path / "shards"))), vectors)
