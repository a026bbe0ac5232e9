from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval import build
from retrieval.build import BuildOptions, build_index
from retrieval.encoder import Vectors
from retrieval.errors import (
    CatalogueError,
    EncoderMismatch,
    IndexDamaged,
    IndexExists,
    IndexIncomplete,
    IndexNotFound,
    QuestionError,
    UsageError,
)
from retrieval.index import HybridIndex
from tests.conftest import ROOT, ROWS, WriteCatalogue
from tests.fakes import KeywordEncoder


def test_a_question_finds_its_product_by_words_and_by_meaning(index: HybridIndex) -> None:
    first = index.search("tell me about the lighthouse cat")[0]
    assert (first.product.uid, first.rank, first.dense_rank, first.lexical_rank) == ("BOOK2", 1, 1, 1)
    assert first.cosine is not None
    assert first.bm25 is not None
    assert index.search("What If?")[0].product.uid == "BOOK1"


def test_search_gives_k_hits_in_order_and_batch_equals_single(index: HybridIndex) -> None:
    questions = ["blue mug", "a tent for snow", "cat book for age 4", "E27 bulb"]
    for question, hits in zip(questions, index.search_batch(questions, 3), strict=True):
        assert hits == index.search(question, 3)
        assert [hit.rank for hit in hits] == [1, 2, 3]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(index.search("blue mug", 50)) == len(ROWS)
    assert index.search_batch([]) == []


def test_more_hits_than_there_are_products_may_be_asked_for(index: HybridIndex) -> None:
    assert index.search("blue mug", 10**30) == index.search("blue mug", len(ROWS))


def test_wrong_arguments_are_named(index: HybridIndex) -> None:
    with pytest.raises(UsageError, match="k is 0"):
        index.search("mug", 0)
    with pytest.raises(QuestionError, match="empty"):
        index.search(" ")
    for wrong, message in (({"fields": ("content",)}, "--fields"), ({"lexical": "bm26"}, "--lexical is bm26")):
        with pytest.raises(UsageError, match=message):
            BuildOptions(**wrong)


def test_an_opened_index_answers_like_the_built_one(index: HybridIndex) -> None:
    again = HybridIndex.open(index.folder, encoder=KeywordEncoder())
    again.verify()
    for question in ("blue mug", "absurd questions", "how long is the cord"):
        assert again.search(question, 6) == index.search(question, 6)


@pytest.mark.parametrize("options", [BuildOptions(lexical="rank-bm25"), BuildOptions(fields=("title",))])
def test_other_ways_to_build_find_titles_too(tmp_path: Path, write_catalogue: WriteCatalogue, options) -> None:
    built = build_index([write_catalogue(ROWS)], tmp_path / "i", encoder=KeywordEncoder(), options=options)
    opened = HybridIndex.open(tmp_path / "i", encoder=KeywordEncoder())
    assert opened.search("harbour mug red")[0].product.uid == "MUG2"
    assert opened.search("lighthouse", 6) == built.search("lighthouse", 6)


def test_title_only_vectors_do_not_see_the_content(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    options = BuildOptions(fields=("title",))
    built = build_index([write_catalogue(ROWS)], tmp_path / "i", encoder=KeywordEncoder(), options=options)
    assert all(hit.cosine in (None, 0.0) for hit in built.search("stoneware dishwasher", 6))


def test_twins_are_one_product_under_all_their_uids(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    rows = [*ROWS, ROWS[4] | {"uid": "TENT9"}]
    built = build_index([write_catalogue(rows)], tmp_path / "i", encoder=KeywordEncoder())
    assert len(built) == len(ROWS)
    assert built.product("TENT9") == built.product("TENT1")
    assert built.search("ridge tent")[0].product.twins == ("TENT9",)
    assert built.product("NONE") is None


def test_the_manifest_says_what_the_index_was_made_of(index: HybridIndex) -> None:
    manifest = json.loads((index.folder / "manifest.json").read_text())
    assert manifest["counts"]["usable"] == len(ROWS)
    assert manifest["encoder"] == KeywordEncoder().identity.as_dict() | {
        "fields": ["title", "content"],
        "lead_words": 60,
    }
    assert manifest["dense"]["backend"] == "faiss"
    assert manifest["lexical"]["backend"] == "tantivy"
    assert len(manifest["catalogue"]["sha256"]) == 64
    assert manifest["libraries"]["faiss-cpu"]
    recorded = set(manifest["files"])
    generation = index.folder / manifest["generation"]
    assert recorded == {p.relative_to(generation).as_posix() for p in generation.rglob("[!.]*") if p.is_file()} | {
        "lexical/.managed.json"
    }
    assert not any(name.endswith((".pkl", ".pickle")) for name in recorded)


def test_another_encoder_is_refused(index: HybridIndex) -> None:
    with pytest.raises(EncoderMismatch, match="built with encoder keywords"):
        HybridIndex.open(index.folder, encoder=KeywordEncoder("other"))


def test_every_altered_file_is_noticed_on_opening(index: HybridIndex) -> None:
    names = list(index.manifest["files"])
    assert names
    for name in names:
        path = index.folder / index.manifest["generation"] / name
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]) if good else b"x")
        with pytest.raises(IndexDamaged, match=path.name):
            HybridIndex.open(index.folder)
        path.unlink()
        with pytest.raises(IndexIncomplete, match="missing"):
            HybridIndex.open(index.folder)
        path.write_bytes(good)
    HybridIndex.open(index.folder).verify()


def test_a_flipped_byte_under_an_old_date_is_noticed_by_verify(index: HybridIndex) -> None:
    path = index.folder / index.manifest["generation"] / "vectors.faiss"
    state = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(IndexDamaged, match="SHA-256"):
        index.verify()


def test_a_copied_index_opens(index: HybridIndex, tmp_path: Path) -> None:
    shutil.copytree(index.folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert len(HybridIndex.open(tmp_path / "copy")) == len(ROWS)


def test_an_index_is_replaced_only_by_force_and_only_by_a_whole_one(
    index: HybridIndex, write_catalogue: WriteCatalogue
) -> None:
    other = write_catalogue([ROWS[0]], "other.json")
    with pytest.raises(IndexExists, match="--force"):
        build_index([other], index.folder, encoder=KeywordEncoder())
    broken = write_catalogue([b"{"], "broken.json")
    with pytest.raises(CatalogueError, match="No usable row"):
        build_index([broken], index.folder, encoder=KeywordEncoder(), options=BuildOptions(force=True))
    assert len(HybridIndex.open(index.folder)) == len(ROWS)
    build_index([other], index.folder, encoder=KeywordEncoder(), options=BuildOptions(force=True))
    assert len(HybridIndex.open(index.folder)) == 1
    assert len(list(index.folder.glob("gen-*"))) == 1
    assert index.search("lighthouse cat")[0].product.uid == "BOOK2"  # who has the old one open keeps it


class Asked(KeywordEncoder):
    """Counts the questions that it encodes."""

    questions = 0

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.questions += len(texts)
        return super().encode_queries(texts)


def test_questions_are_sampled_only_where_recall_is_measured_and_at_most_256(
    tmp_path: Path, write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = write_catalogue([{"uid": f"U{n}", "title": f"lamp {n}", "content": "white"} for n in range(500)])
    encoder = Asked()
    build_index([catalogue], tmp_path / "flat", encoder=encoder)
    assert encoder.questions == 0
    monkeypatch.setattr(build, "EXACT_UP_TO", 499)
    build_index([catalogue], tmp_path / "scanned", encoder=encoder)
    assert encoder.questions == 250


class Interrupting(KeywordEncoder):
    """Is interrupted at its third shard."""

    shards = 0

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        if self.identity.id == "keywords" and len(texts) > 1:
            self.shards += 1
            if self.shards == 3:
                raise KeyboardInterrupt
        return super().encode_passages(texts)


def test_an_interrupted_build_goes_on_from_its_last_shard(
    tmp_path: Path, write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_ENCODE_AT_ONCE", 2)
    catalogue = write_catalogue([*ROWS, b"{"])
    whole = build_index([catalogue], tmp_path / "whole", encoder=KeywordEncoder())
    with pytest.raises(KeyboardInterrupt):
        build_index([catalogue], tmp_path / "i", encoder=Interrupting())
    told: list[str] = []
    resumed = build_index([catalogue], tmp_path / "i", encoder=KeywordEncoder(), tell=told.append)
    assert told == ["Going on with a build that was cut off: 4 of 6 products are encoded."]
    assert resumed.manifest["counts"] == whole.manifest["counts"]
    for name in ("products.arrow", "rows.arrow", "twins.arrow", "vectors.faiss"):
        assert (resumed.catalogue.folder / name).read_bytes() == (whole.catalogue.folder / name).read_bytes()
    assert resumed.search("mug", 6) == whole.search("mug", 6)
    assert (tmp_path / "i" / "rejects.jsonl").read_text() == (tmp_path / "whole" / "rejects.jsonl").read_text()


def test_malformed_lines_are_kept_beside_the_index(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    told = []
    build_index([write_catalogue([*ROWS, b"{"])], tmp_path / "i", encoder=KeywordEncoder(), on_reject=told.append)
    (written,) = [json.loads(line) for line in (tmp_path / "i" / "rejects.jsonl").read_text().splitlines()]
    assert (written["line"], written["reason"]) == (told[0].line, told[0].reason) == (len(ROWS) + 1, told[0].reason)


BUILD = """
import sys
from retrieval import build
from retrieval.build import BuildOptions, build_index
from retrieval.encoder import Vectors
from retrieval.index import HybridIndex
from tests.fakes import KeywordEncoder
build_index([sys.argv[1]], sys.argv[2], encoder=KeywordEncoder(), options=BuildOptions(force=True))
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_a_killed_build_leaves_the_old_index_or_the_new_one(
    index: HybridIndex, write_catalogue: WriteCatalogue, delay: float
) -> None:
    new = write_catalogue([{"uid": f"N{i}", "title": f"new {i}", "content": f"thing {i}"} for i in range(3_000)], "new")
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(new), str(index.folder)], cwd=ROOT)
    while process.poll() is None and len(list(index.folder.glob("gen-*"))) < 2:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    survivor = HybridIndex.open(index.folder, encoder=KeywordEncoder())
    survivor.verify()
    assert len(survivor) in (len(ROWS), 3_000)
    subprocess.run([sys.executable, "-c", BUILD, str(new), str(index.folder)], cwd=ROOT, check=True)
    assert len(HybridIndex.open(index.folder)) == 3_000
    assert len(list(index.folder.glob("gen-*"))) == 1


def test_a_killed_first_build_is_told_as_unfinished(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    new = write_catalogue([{"uid": f"N{i}", "title": f"new {i}", "content": f"thing {i}"} for i in range(3_000)], "new")
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(new), str(tmp_path / "i")], cwd=ROOT)
    while process.poll() is None and not list(tmp_path.glob("i/gen-*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises((IndexIncomplete, IndexNotFound), match="did not finish"):
        HybridIndex.open(tmp_path / "i")


def _read_until(folder: Path, stop: multiprocessing.synchronize.Event, found: multiprocessing.Queue) -> None:
    sizes = set()
    try:
        while not stop.is_set():
            sizes.add(len(HybridIndex.open(folder, encoder=KeywordEncoder()).search("mug", 50)))
    except Exception as error:
        found.put(repr(error))
    found.put(sizes)


def test_readers_see_whole_indexes_while_it_is_rebuilt(index: HybridIndex, write_catalogue: WriteCatalogue) -> None:
    context = multiprocessing.get_context("spawn")
    stop, found = context.Event(), context.Queue()
    readers = [context.Process(target=_read_until, args=(index.folder, stop, found)) for _ in range(2)]
    for reader in readers:
        reader.start()
    sources = [write_catalogue(ROWS[:size], f"{size}.json") for size in (3, 6)]
    for round_ in range(12):
        options = BuildOptions(force=True)
        build_index([sources[round_ % 2]], index.folder, encoder=KeywordEncoder(), options=options)
    stop.set()
    seen = [found.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join()
    assert all(isinstance(sizes, set) and sizes <= {3, 6} for sizes in seen), seen
