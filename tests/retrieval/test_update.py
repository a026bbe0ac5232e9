from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval import dense
from retrieval.build import BuildOptions, build_index
from retrieval.encoder import Vectors
from retrieval.errors import CatalogueError, EncoderMismatch, IndexDamaged, IndexNotFound, UsageError
from retrieval.index import HybridIndex
from retrieval.update import compact_index, update_index
from tests.conftest import ROWS, WriteCatalogue
from tests.fakes import KeywordEncoder

QUESTIONS = ("blue mug", "a tent for the cat", "red", "the lamp of the house")


class CountingEncoder(KeywordEncoder):
    """Remembers what it encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def encode_passages(self, texts: Any) -> Vectors:
        self.texts += texts
        return super().encode_passages(texts)

    def encode_queries(self, texts: Any) -> Vectors:
        return KeywordEncoder().encode_passages(texts)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan the vectors, as is done for many of them."""
    method = dense.DenseIndex.build
    monkeypatch.setattr(
        dense.DenseIndex, "build", lambda parts, queries=None: method(parts, queries, exact_up_to=1), raising=True
    )


def lamp(uid: str, colour: str = "white") -> dict[str, object]:
    return {"uid": uid, "title": f"Lamp {uid}", "content": f"A {colour} lamp."}


def uids(index: HybridIndex) -> list[tuple[str, ...]]:
    return [(product.uid, *product.twins) for product in index.catalogue]


def updated(index: HybridIndex, **changes: Any) -> tuple[HybridIndex, dict[str, Any]]:
    return update_index(index.folder, encoder=KeywordEncoder(), **changes)


def test_only_what_is_new_is_encoded(index: HybridIndex, write_catalogue: WriteCatalogue) -> None:
    encoder = CountingEncoder()
    tail = {**ROWS[3], "content": "word " * 60 + "first tail"}
    add = write_catalogue([ROWS[0], {**ROWS[1], "title": "Harbour Mug, Pink"}, lamp("NEW"), tail], "add.json")
    after, done = update_index(index.folder, add=[add], remove=["TENT1", "NONE"], encoder=encoder)
    expected = {"added": 1, "changed": 2, "unchanged": 1, "removed": 1, "not there": 1, "encoded": 3}
    assert expected.items() <= done.items()
    assert [text[:8] for text in encoder.texts] == ["Harbour ", "The Ligh", "Lamp NEW"]
    assert [product.uid for product in after.catalogue] == ["MUG1", "MUG2", "BOOK1", "BOOK2", "LAMP1", "NEW"]
    assert after.manifest["updated"].items() >= expected.items()
    again = write_catalogue([{**tail, "content": "word " * 60 + "other tail"}], "add.json")
    _, done = update_index(index.folder, add=[again], encoder=encoder)
    assert (done["changed"], done["encoded"], len(encoder.texts)) == (1, 0, 3)


def test_what_was_removed_is_found_no_more_and_readers_keep_what_they_opened(index: HybridIndex) -> None:
    after, _ = updated(index, remove=["MUG1"])
    assert "MUG1" not in [hit.product.uid for hit in after.search("harbour mug blue", 50)]
    assert after.product("MUG1") is None
    assert index.search("harbour mug blue")[0].product.uid == "MUG1"
    assert len(list(index.folder.glob("gen-*"))) == 1


def test_an_update_that_changes_nothing_leaves_the_index_as_it_is(
    index: HybridIndex, write_catalogue: WriteCatalogue
) -> None:
    told: list[str] = []
    add = write_catalogue(ROWS[:2], "add.json")
    after, done = updated(index, add=[add], remove=["NONE", "NIL"], tell=told.append)
    assert after.manifest == index.manifest
    assert (done["unchanged"], done["not there"]) == (2, 2)
    assert told == [f"2 of the uids to remove are not in {index.folder}: NIL, NONE"]


def test_a_row_that_lost_its_content_is_removed(index: HybridIndex, write_catalogue: WriteCatalogue) -> None:
    add = write_catalogue([{**ROWS[0], "content": " "}, {"uid": "OTHER", "title": "x", "content": ""}], "add.json")
    after, done = updated(index, add=[add])
    assert (done["removed"], done["read"]["dropped"]["no content"]) == (1, 2)
    assert after.product("MUG1") is None


def test_malformed_lines_are_counted_and_kept(index: HybridIndex, write_catalogue: WriteCatalogue) -> None:
    told: list[object] = []
    _, done = updated(index, add=[write_catalogue([lamp("NEW"), b"{bad"], "add.json")], on_reject=told.append)
    assert (done["added"], done["read"]["rejected"], len(told)) == (1, 1, 1)
    assert json.loads((index.folder / "rejects.jsonl").read_text())["line"] == 2
    with pytest.raises(CatalogueError, match="More than 0 malformed"):
        updated(index, add=[write_catalogue([lamp("N2"), b"{bad"], "add.json")], max_errors=0)
    assert len(HybridIndex.open(index.folder)) == len(ROWS) + 1


@pytest.mark.parametrize("step", ["removed", "changed"])
def test_a_twin_takes_over_from_its_product(tmp_path: Path, write_catalogue: WriteCatalogue, step: str) -> None:
    rows = [ROWS[0], {**ROWS[0], "uid": "TWIN1"}, ROWS[2], {**ROWS[0], "uid": "TWIN2"}]
    encoder = CountingEncoder()
    build_index([write_catalogue(rows)], tmp_path / "i", encoder=encoder)
    encoder.texts.clear()
    if step == "removed":
        after, _ = update_index(tmp_path / "i", remove=["MUG1"], encoder=encoder)
        assert uids(after) == [("TWIN1", "TWIN2"), ("BOOK1",)]
    else:
        changed = write_catalogue([{**ROWS[0], "title": "Another"}], "add.json")
        after, _ = update_index(tmp_path / "i", add=[changed], encoder=encoder)
        assert uids(after) == [("MUG1",), ("TWIN1", "TWIN2"), ("BOOK1",)]
    assert len(encoder.texts) == (step == "changed")
    after, _ = update_index(tmp_path / "i", remove=["TWIN2"], encoder=encoder)
    assert ("TWIN1",) in uids(after)
    after, _ = update_index(tmp_path / "i", add=[write_catalogue([ROWS[0]], "add.json")], encoder=encoder)
    assert uids(after)[0] == (("MUG1", "TWIN1") if step == "changed" else ("TWIN1", "MUG1"))


def test_wrong_use_is_told_and_changes_nothing(index: HybridIndex, tmp_path: Path, write_catalogue) -> None:
    with pytest.raises(UsageError, match="name files to --add or uids to --remove"):
        updated(index)
    with pytest.raises(CatalogueError, match="did you mean"):
        updated(index, add=[tmp_path / "trn.jsn"])
    with pytest.raises(IndexNotFound, match="did you mean"):
        update_index(tmp_path / "indx", remove=["A"])
    assert not (tmp_path / "indx").exists()
    with pytest.raises(CatalogueError, match="Nothing would be left"):
        updated(index, remove=[row["uid"] for row in ROWS])
    with pytest.raises(EncoderMismatch, match="built with encoder keywords"):
        update_index(index.folder, add=[write_catalogue([lamp("N")], "a.json")], encoder=KeywordEncoder("other"))
    assert HybridIndex.open(index.folder).manifest == index.manifest


def test_damage_is_not_sealed_by_an_update(index: HybridIndex) -> None:
    path = index.catalogue.files[0]
    path.write_bytes(path.read_bytes().replace(b"stoneware", b"stonewarx"))
    with pytest.raises(IndexDamaged, match=r"products\.arrow was altered"):
        updated(index, remove=["BOOK1"])


def test_a_scanned_index_shares_what_stays_and_is_compacted(
    scanned: None, tmp_path: Path, write_catalogue: WriteCatalogue
) -> None:
    first = build_index([write_catalogue([lamp(f"L{n}") for n in range(60)])], tmp_path / "i", encoder=KeywordEncoder())
    changes = write_catalogue([lamp("L3", "black"), lamp("NEW")], "add.json")
    kept = (first.catalogue.folder / "products.arrow").stat().st_ino
    after, _ = updated(first, add=[changes], remove=["L0", "L1"])
    assert (after.catalogue.folder / "products.arrow").stat().st_ino == kept
    assert (len(after), after.catalogue.removed.sum(), len(after.catalogue.files)) == (59, 3, 4)
    assert [hit.product.content for hit in after.search("black", 99) if hit.lexical_rank] == ["A black lamp."]
    assert after.manifest["dense"] == first.manifest["dense"]
    assert {row["uid"] for row in after.catalogue.to_dataset()} == {uid for (uid,) in uids(after)}
    assert list(after.catalogue.to_pandas()["uid"]) == [uid for (uid,) in uids(after)]
    found = {question: {hit.product for hit in after.search(question, 99)} for question in QUESTIONS}
    compact = compact_index(tmp_path / "i", encoder=KeywordEncoder())
    assert (compact.catalogue.removed.sum(), len(compact.catalogue.files)) == (0, 3)
    assert uids(compact) == [(f"L{n}",) for n in range(2, 60)] + [("NEW",)]
    assert found == {question: {hit.product for hit in compact.search(question, 99)} for question in QUESTIONS}
    assert compact_index(tmp_path / "i").manifest == compact.manifest


WORDS = st.sampled_from(["blue", "red", "mug", "tent", "lamp", "cat", "house"])
TEXTS = st.lists(WORDS, max_size=3).map(" ".join)
CHANGES = st.dictionaries(st.integers(0, 12), st.tuples(TEXTS, TEXTS), max_size=6)
STEPS = st.lists(st.tuples(CHANGES, st.sets(st.integers(0, 14), max_size=4)), min_size=1, max_size=4)


def write(path: Path, model: dict[int, tuple[str, str]]) -> Path:
    rows = [{"uid": f"U{uid}", "title": title, "content": content} for uid, (title, content) in model.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def follow(folder: Path, steps: list[tuple[dict[int, tuple[str, str]], set[int]]]) -> Iterator[tuple[Any, Any]]:
    """Change an index and a dictionary in the same ways; yields the index and a fresh one of the dictionary."""
    model = {uid: ("blue mug", f"red tent {'cat ' * (uid // 2)}") for uid in range(6)}
    build_index([write(folder / "first.json", model)], folder / "i", encoder=KeywordEncoder())
    for changes, removed in steps:
        after = {uid: texts for uid, texts in model.items() if uid not in removed}
        for uid, texts in changes.items():
            if all(texts):
                after[uid] = texts
            else:
                after.pop(uid, None)
        add = [write(folder / "add.json", changes)] if changes else []
        options: dict[str, Any] = {"add": add, "remove": [f"U{uid}" for uid in removed], "encoder": KeywordEncoder()}
        if not after or not (add or removed):
            with pytest.raises((CatalogueError, UsageError)):
                update_index(folder / "i", **options)
            continue
        model = after
        index, _ = update_index(folder / "i", **options)
        index.verify()
        fresh = build_index(
            [write(folder / "all.json", model)],
            folder / "fresh",
            encoder=KeywordEncoder(),
            options=BuildOptions(force=True),
        )
        yield index, fresh


PROPERTY = settings(
    deadline=None, database=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(STEPS)
def test_after_any_updates_an_index_is_the_one_that_a_fresh_build_makes(steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for index, fresh in follow(Path(folder), steps):
            names = [path.name for path in fresh.catalogue.files] + ["vectors.faiss"]
            for name in names:
                assert (index.catalogue.folder / name).read_bytes() == (fresh.catalogue.folder / name).read_bytes()
            assert index.search_batch(QUESTIONS, 20) == fresh.search_batch(QUESTIONS, 20)
            counted = ("rows", "usable", "twins")
            assert [index.manifest["counts"][name] for name in counted] == [
                fresh.manifest["counts"][name] for name in counted
            ]


@PROPERTY
@given(STEPS)
def test_a_scanned_index_holds_the_same_products_and_becomes_the_same_catalogue(scanned: None, steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for index, fresh in follow(Path(folder), steps):
            assert sorted(uids(index)) == sorted(uids(fresh))
            for question in QUESTIONS:
                products = [{hit.product for hit in each.search(question, 99)} for each in (index, fresh)]
                assert products[0] == products[1]
            if len(steps) % 2:
                compact = compact_index(index.folder, encoder=KeywordEncoder())
                assert list(compact.catalogue) == list(fresh.catalogue)
