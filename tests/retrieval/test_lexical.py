from __future__ import annotations

import errno
import math
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rank_bm25 import BM25Okapi
from scipy.stats import spearmanr

from retrieval.errors import IndexDamaged
from retrieval.lexical import LEXICAL_FOLDER, RankBM25Index, TantivyIndex, weighted_text
from retrieval.query import Query, Wanted, parse_question
from retrieval.schema import Product
from retrieval.text import terms

SIZE = 300


def query_of(*wanted: str) -> Query:
    return Query(" ".join(wanted), tuple(Wanted((term,)) for term in wanted), ())


@dataclass
class World:
    """A synthetic catalogue whose words are as unequal as real ones, indexed by both backends."""

    products: list[Product]
    vocabulary: list[str]
    queries: list[Query]
    folder: Path
    tantivy: TantivyIndex
    exact: RankBM25Index

    @classmethod
    def make(cls, folder: Path, shortest: int, longest: int) -> World:
        rng = random.Random(7)
        made = (terms("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(4, 8)))) for _ in range(400))
        vocabulary = list(dict.fromkeys(term for each in made for term in each))
        weights = [1 / (place + 5) for place in range(len(vocabulary))]

        def text(length: int) -> str:
            return " ".join(rng.choices(vocabulary, weights, k=length))

        products = [Product(str(row), text(3), text(rng.randint(shortest, longest))) for row in range(SIZE)]
        tantivy, exact = backends(products, folder)
        used = [term for term in vocabulary if exact.document_frequency(term)]
        drawn = [tuple(dict.fromkeys(rng.choices(used, k=rng.randint(2, 4)))) for _ in range(100)]
        queries = [query_of(*each) for each in drawn]
        return cls(products, vocabulary, queries, folder, tantivy, exact)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Texts of at most 40 weighted words: tantivy stores their lengths exactly."""
    return World.make(tmp_path_factory.mktemp("short"), 5, 25)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Texts of up to 160 weighted words: tantivy rounds their lengths to fit a byte."""
    return World.make(tmp_path_factory.mktemp("long"), 20, 150)


def with_lucene_weights(world: World) -> BM25Okapi:
    """The public implementation with the term weights of Lucene, ln(1 + …), which tantivy uses."""
    oracle = BM25Okapi([terms(weighted_text(product)) for product in world.products], k1=1.2, b=0.75)
    frequency = {term: sum(term in document for document in oracle.doc_freqs) for term in oracle.idf}
    oracle.idf = {term: math.log1p((SIZE - n + 0.5) / (n + 0.5)) for term, n in frequency.items()}
    return oracle


def backends(products: list[Product], folder: Path) -> tuple[TantivyIndex, RankBM25Index]:
    TantivyIndex.write(products, folder)
    return TantivyIndex(folder), RankBM25Index(products)


def rows(found: list[tuple[int, float]]) -> list[int]:
    return [row for row, _ in found]


def test_tantivy_gives_the_scores_of_rank_bm25_with_lucene_weights(short: World) -> None:
    oracle = with_lucene_weights(short)
    for query in short.queries:
        expected = oracle.get_scores(list(query.terms))
        found = short.tantivy.search(query, SIZE)
        assert dict(found) == pytest.approx({row: s for row, s in enumerate(expected) if s > 0}, rel=1e-5), query
        assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
        assert short.tantivy.search(query, 10) == found[:10]


def test_for_a_single_term_both_backends_give_the_same_order(short: World) -> None:
    for term in short.vocabulary:
        query = query_of(term)
        assert rows(short.tantivy.search(query, SIZE)) == rows(short.exact.search(query, SIZE)), term


@pytest.mark.parametrize("world", ["short", "long"])
def test_both_backends_rank_alike(world: str, request: pytest.FixtureRequest) -> None:
    made: World = request.getfixturevalue(world)
    same_first, correlations = 0, []
    for query in made.queries:
        exact = dict(made.exact.search(query, SIZE))
        top = made.tantivy.search(query, 10)
        same_first += top[0][0] == next(iter(exact))
        correlations.append(spearmanr([s for _, s in top], [exact.get(row, 0.0) for row, _ in top]).statistic)
    assert same_first >= 90
    assert np.mean(correlations) > 0.9


def test_with_rounded_lengths_the_scores_are_within_a_twentieth(long: World) -> None:
    oracle = with_lucene_weights(long)
    for query in long.queries:
        expected = oracle.get_scores(list(query.terms))
        assert dict(long.tantivy.search(query, SIZE)) == pytest.approx(
            {row: s for row, s in enumerate(expected) if s > 0}, rel=0.05
        )


def test_sizes_and_document_frequencies_agree(short: World) -> None:
    assert len(short.tantivy) == len(short.exact) == SIZE
    frequencies = [short.tantivy.document_frequency(term) for term in short.vocabulary]
    assert frequencies == [short.exact.document_frequency(term) for term in short.vocabulary]
    assert max(frequencies) > 100
    assert short.tantivy.document_frequency("nowhere") == short.exact.document_frequency("nowhere") == 0


def test_an_index_opened_twice_answers_alike(short: World) -> None:
    again = TantivyIndex(short.folder)
    assert len(again) == SIZE
    for query in short.queries:
        assert again.search(query, 10) == short.tantivy.search(query, 10)


SHELF = [
    Product("A", "Art Art", "Art on art about art."),
    Product("B", "Blue mug", "A mug, blue and wide, that holds tea."),
    Product("C", "What Is Art", "An essay of many long pages about taste, beauty and feeling, and of their history."),
    Product("D", "Tea pot", "A pot of clay for a whole evening of guests; goes with the mug."),
    Product("E", "Saw", "Cuts wood."),
]


def test_a_title_that_reads_like_a_frame_is_found_by_its_phrase(tmp_path: Path) -> None:
    index, _ = backends(SHELF, tmp_path)
    query = parse_question("what is art?")
    assert query.terms == ("art",)
    assert rows(index.search(query, 4)) == [2, 0]
    assert rows(index.search(query_of(*query.terms), 4)) == [0, 2]


def test_a_title_outweighs_a_content_and_other_products_are_left_out(tmp_path: Path) -> None:
    for index in backends(SHELF, tmp_path):
        assert rows(index.search(parse_question("a mug"), 4)) == [1, 3]
        assert rows(index.search(parse_question("MUGS"), 1)) == [1]
        assert index.search(parse_question("bicycle"), 4) == []


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_only_product_with_a_word_is_found_in_a_tiny_catalogue(tmp_path: Path, size: int) -> None:
    for index in backends(SHELF[1 : 1 + size], tmp_path):
        assert rows(index.search(parse_question("blue"), 4)) == [0], type(index)


def test_a_word_that_every_product_has_still_ranks_by_how_much_of_it_they_are(tmp_path: Path) -> None:
    products = [
        Product("A", "Tea pot", "Of clay for many guests; goes with the mug."),
        Product("B", "Mug", "Blue mug."),
    ]
    for index in backends(products, tmp_path):
        assert rows(index.search(parse_question("mug"), 2)) == [1, 0], type(index)


def test_equal_scores_come_in_row_order_also_where_they_are_cut_off(tmp_path: Path) -> None:
    products = [*(Product(str(n), "Blue mug", "Holds tea.") for n in range(9)), *SHELF, Product("X", "Cup", "Of tin.")]
    for index in backends([*products, *(Product(f"Z{n}", "Saw", "Cuts wood.") for n in range(20))], tmp_path):
        assert rows(index.search(parse_question("blue mug"), 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["meta.json", "term", "folder"])
def test_an_index_that_tantivy_cannot_read_is_damage(tmp_path: Path, damage: str) -> None:
    TantivyIndex.write(SHELF, tmp_path)
    path = tmp_path / LEXICAL_FOLDER
    if damage == "folder":
        shutil.rmtree(path)
    for file in path.glob(f"*{damage}"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(IndexDamaged, match=r"lexical is not a readable tantivy index \(.*build the index again"):
        TantivyIndex(tmp_path)


def test_an_index_that_may_only_be_read_opens_although_tantivy_still_locks_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TantivyIndex.write(SHELF, tmp_path)
    monkeypatch.setattr("retrieval.lexical.os.access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    remove_folder, in_use = os.rmdir, iter([True])

    def remove(path: str, **options: int) -> None:
        if next(in_use, False):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        remove_folder(path, **options)

    monkeypatch.setattr(os, "rmdir", remove)
    assert TantivyIndex(tmp_path).search(query_of("mug"), 1)
    assert next(in_use, None) is None
    assert [path.name for path in tmp_path.iterdir()] == [LEXICAL_FOLDER]


def test_writing_leaves_no_lock_files(tmp_path: Path) -> None:
    TantivyIndex.write(SHELF, tmp_path)
    assert [path.name for path in (tmp_path / LEXICAL_FOLDER).iterdir() if path.suffix == ".lock"] == []
