from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from retrieval.errors import (
    IndexDamaged,
    IndexExists,
    IndexForeign,
    IndexIncomplete,
    IndexLocked,
    IndexNotFound,
    IndexStoreError,
    IndexVersionError,
)
from retrieval.files import sha256_of_files, share
from retrieval.generation import build_into
from retrieval.storage import MANIFEST, check_files, read_manifest
from tests.conftest import ROOT

HOLD_LOCK = """
import sys
from pathlib import Path
from retrieval.generation import build_into
with build_into(Path(sys.argv[1])):
    print("building", flush=True)
    sys.stdin.read()
"""


def build(folder: Path, text: str = "one", *, force: bool = False) -> None:
    with build_into(folder, force=force) as generation:
        (generation.folder / "lexical").mkdir()
        (generation.folder / "products").write_text(text)
        (generation.folder / "lexical" / "terms").write_text(text.upper())
        generation.commit({"text": text})


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index in force."""
    build(tmp_path / "mine")
    return tmp_path / "mine"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_build_is_described_by_its_manifest(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest["format"], manifest["generation"], manifest["text"]) == ("product-qa-index", "gen-000001", "one")
    assert sorted(manifest["files"]) == ["lexical/terms", "products"]
    assert manifest["files"]["products"]["bytes"] == 3
    assert manifest["files"]["products"]["sha256"] == hashlib.sha256(b"one").hexdigest()
    assert visible(folder) == ["gen-000001", MANIFEST]
    check_files(folder, manifest, every_byte=True)


def test_force_replaces_the_index_and_removes_the_old_generation(folder: Path) -> None:
    build(folder, "two", force=True)
    assert read_manifest(folder)["text"] == "two"
    assert visible(folder) == ["gen-000002", MANIFEST]


def test_without_force_an_index_is_not_replaced(folder: Path) -> None:
    with pytest.raises(IndexExists, match=r"There is an index at .*mine already; --force builds a new one"):
        build(folder, "two")
    assert read_manifest(folder)["text"] == "one"


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt("no")])
@pytest.mark.parametrize("exists", [True, False])
def test_a_failed_build_leaves_what_was_there(tmp_path: Path, failure: BaseException, exists: bool) -> None:
    folder = tmp_path / "mine"
    if exists:
        build(folder)
    with pytest.raises(type(failure), match="no"), build_into(folder, force=True) as generation:  # noqa: PT012
        (generation.folder / "products").write_text("half")
        raise failure
    assert visible(folder) == (["gen-000001", MANIFEST] if exists else [])
    if exists:
        check_files(folder, read_manifest(folder), every_byte=True)
    build(folder, "two", force=exists)
    assert read_manifest(folder)["text"] == "two"


def test_a_build_that_never_commits_leaves_nothing(tmp_path: Path) -> None:
    with build_into(tmp_path / "mine") as generation:
        (generation.folder / "products").write_text("half")
    assert visible(tmp_path / "mine") == []


def test_leftovers_of_a_killed_build_are_removed_by_the_next(folder: Path) -> None:
    (folder / "gen-000007").mkdir()
    (folder / "gen-000007" / "products").write_text("half")
    (folder / f".{MANIFEST}.new").write_text("{half")
    (folder / "notes.txt").write_text("kept")
    (folder / "gen-other").mkdir()
    assert read_manifest(folder)["text"] == "one"
    build(folder, "two", force=True)
    manifest = read_manifest(folder)
    assert manifest["text"] == "two"
    assert visible(folder) == sorted([manifest["generation"], "gen-other", MANIFEST, "notes.txt"])
    assert not (folder / f".{MANIFEST}.new").exists()


def test_leftovers_do_not_stand_in_the_way_of_a_first_build(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "gen-000001").mkdir(parents=True)
    (folder / "gen-000001" / "products").write_text("half")
    with build_into(folder) as generation:
        assert visible(folder) == [generation.folder.name]
        assert visible(generation.folder) == []
    build(folder)
    check_files(folder, read_manifest(folder), every_byte=True)


def interrupted(folder: Path, purpose: dict[str, Any]) -> Path:
    """Begin a build, finish a step and be interrupted."""
    with pytest.raises(KeyboardInterrupt), build_into(folder, lambda: purpose) as generation:  # noqa: PT012
        (generation.folder / "products").write_text("one")
        generation.finish("read", {"rows": 1}, generation.folder / "products")
        (generation.folder / "half").write_text("half")
        raise KeyboardInterrupt
    return generation.folder


def test_the_same_build_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    begun = interrupted(tmp_path / "mine", {"of": "A"})
    with build_into(tmp_path / "mine", lambda: {"of": "A"}) as generation:
        assert (generation.folder, generation.resumes) == (begun, True)
        assert (generation.finished("read"), generation.finished("more")) == ({"rows": 1}, None)
        (generation.folder / "half").unlink()
        generation.commit({"text": "one"})
    assert sorted(read_manifest(tmp_path / "mine")["files"]) == ["products"]
    assert sorted(path.name for path in begun.iterdir()) == ["products"]


def test_another_build_does_not_go_on_there(tmp_path: Path) -> None:
    begun = interrupted(tmp_path / "mine", {"of": "A"})
    with build_into(tmp_path / "mine", lambda: {"of": "B"}) as generation:
        assert not generation.resumes
        assert generation.finished("read") is None
        assert visible(tmp_path / "mine") == [generation.folder.name]
    assert not begun.exists()


@pytest.mark.parametrize("altered", ["products", ".unfinished/read.json"])
def test_a_step_whose_files_were_altered_is_not_done(tmp_path: Path, altered: str) -> None:
    begun = interrupted(tmp_path / "mine", {"of": "A"})
    path = begun / altered
    path.write_text(path.read_text().replace("1", "2").replace("one", "two"))
    with build_into(tmp_path / "mine", lambda: {"of": "A"}) as generation:
        assert generation.resumes
        assert generation.finished("read") is None


def test_files_that_another_generation_shares_are_not_hashed_again(folder: Path) -> None:
    before = read_manifest(folder)
    old = folder / before["generation"] / "products"
    with build_into(folder, force=True) as generation:
        share(old, generation.folder / "products")
        (generation.folder / "more").write_text("more")
        shared = {"products": {**before["files"]["products"], "sha256": "as recorded"}, "more": {"bytes": 4}}
        generation.commit({}, shared=shared)
    files = read_manifest(folder)["files"]
    assert files["products"]["sha256"] == "as recorded"
    assert files["more"]["sha256"] == hashlib.sha256(b"more").hexdigest()


def test_an_error_of_the_file_system_becomes_one_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(IndexStoreError, match=r"Building .*mine failed: No space left"), build_into(tmp_path / "mine"):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexStoreError, match=r"Cannot write to .*file: "):
        build(tmp_path / "file")


def test_a_folder_that_another_process_builds_is_locked_until_that_ends(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(other)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        with pytest.raises(IndexLocked, match=r"Another process is building .*other; wait for it"):
            build(other, force=True)
        assert visible(other) == ["gen-000001"]
        process.communicate()
    assert process.returncode == 0
    build(other)
    assert read_manifest(other)["text"] == "one"


def test_an_index_can_be_read_while_it_is_locked(folder: Path) -> None:
    with FileLock(folder / ".lock"):
        with pytest.raises(IndexLocked, match="Another process"):
            build(folder, force=True)
        assert read_manifest(folder)["text"] == "one"


def test_a_missing_index_names_the_nearest_one(folder: Path) -> None:
    with pytest.raises(IndexNotFound, match=r"No index at .*/mime \(did you mean .*/mine\?\); build one with"):
        read_manifest(folder.with_name("mime"))
    with pytest.raises(
        IndexNotFound, match=r"No index at .*/zebra; build one with: .*, or name another \(.*_QA_INDEX\)"
    ):
        read_manifest(folder.with_name("zebra"))
    with pytest.raises(IndexNotFound, match=r"No index at .*/mime/deep \(did you mean .*/mine\?\);"):
        read_manifest(folder.with_name("mime") / "deep")


def test_a_file_in_place_of_an_index_is_not_suggested_in_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "trn.json").write_text("")
    with pytest.raises(IndexNotFound, match=r"No index at .*/trn\.json; build one with"):
        read_manifest(tmp_path / "trn.json")


def test_a_folder_without_index_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(
        IndexNotFound, match=r"holds no index; build one with: python -m retrieval build CATALOG --out "
    ):
        read_manifest(tmp_path)


def test_a_build_that_did_not_finish_says_so(tmp_path: Path) -> None:
    (tmp_path / "gen-000001").mkdir()
    with pytest.raises(IndexIncomplete, match="did not finish; run it again, and it goes on"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("data", ['{"format": "other"}', "{}", "[]", "7"])
def test_the_manifest_of_another_program_is_neither_read_nor_replaced(folder: Path, data: str) -> None:
    (folder / MANIFEST).write_text(data)
    with pytest.raises(IndexForeign, match=r"manifest\.json was not written by product-qa; choose another folder"):
        read_manifest(folder)
    for force in (False, True):
        with pytest.raises(IndexForeign, match="was not written by product-qa"):
            build(folder, "two", force=force)
    assert (folder / MANIFEST).read_text() == data
    assert (folder / "gen-000001" / "products").read_text() == "one"


@pytest.mark.parametrize(
    ("version", "remedy"), [(3, "update product-qa"), (1, "build it again"), ("2", "build it again")]
)
def test_another_format_version_tells_the_remedy(folder: Path, version: object, remedy: str) -> None:
    rewrite(folder, lambda manifest: manifest.update(format_version=version))
    with pytest.raises(IndexVersionError, match=rf"has index format {version}, this version reads 2; {remedy}"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(text="two"),
        lambda manifest: manifest.update(more=1),
        lambda manifest: manifest.pop("files"),
        lambda manifest: manifest.pop("checksum"),
        lambda manifest: manifest["files"]["products"].update(bytes=4),
    ],
)
def test_an_altered_manifest_is_damage(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rewrite(folder, change)
    with pytest.raises(IndexDamaged, match="was altered: its own checksum does not match"):
        read_manifest(folder)


@pytest.mark.parametrize("data", [b"", b'{"format": ', b"\xff\xfe"])
def test_a_manifest_that_is_not_json_is_damage_and_can_be_replaced(folder: Path, data: bytes) -> None:
    (folder / MANIFEST).write_bytes(data)
    with pytest.raises(IndexDamaged, match="is not readable JSON"):
        read_manifest(folder)
    with pytest.raises(IndexExists, match="There is an index"):
        build(folder, "two")
    with pytest.raises(ValueError, match="no"), build_into(folder, force=True):
        raise ValueError("no")
    assert (folder / "gen-000001" / "products").read_text() == "one"
    build(folder, "two", force=True)
    assert read_manifest(folder)["text"] == "two"
    assert len(visible(folder)) == 2


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "gen-000001" / "lexical" / "terms").unlink()
    with pytest.raises(IndexIncomplete, match=r"lexical/terms is missing; build the index again"):
        check_files(folder, read_manifest(folder), every_byte=False)


def test_a_file_of_another_size_is_named(folder: Path) -> None:
    (folder / "gen-000001" / "products").write_text("longer")
    with pytest.raises(IndexDamaged, match=r"products has 6 bytes instead of 3; build"):
        check_files(folder, read_manifest(folder), every_byte=False)


def test_a_file_altered_without_changing_its_size_is_named(folder: Path) -> None:
    path = folder / "gen-000001" / "products"
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(IndexDamaged, match=r"products was altered: its SHA-256 does not match"):
        check_files(folder, read_manifest(folder), every_byte=False)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    check_files(folder, read_manifest(folder), every_byte=False)
    with pytest.raises(IndexDamaged, match=r"products was altered: its SHA-256 does not match"):
        check_files(folder, read_manifest(folder), every_byte=True)


def test_a_copied_index_passes_though_its_times_differ(folder: Path) -> None:
    for path in (folder / "gen-000001").rglob("*"):
        os.utime(path, ns=(1, 1))
    check_files(folder, read_manifest(folder), every_byte=False)
    assert (folder / "gen-000001" / "products").stat().st_mtime_ns == 1


def test_sha256_runs_over_the_files_in_the_order_given(tmp_path: Path) -> None:
    first, second = tmp_path / "b", tmp_path / "a"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    assert sha256_of_files([first, second]) == hashlib.sha256(b"onetwo").hexdigest()
