"""The index folder: a manifest that is written last, and the generation of files that it names.

    indexes/NAME/manifest.json      names the generation in force; replaced in one step
    indexes/NAME/gen-000001/…       the files of that generation, never changed once the manifest names them

A build writes a new generation beside the old one. Until the manifest is replaced, the old index is in force; a build
that is cut off leaves a generation that no manifest names, and the next build removes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import (
    IndexDamaged,
    IndexExists,
    IndexForeign,
    IndexIncomplete,
    IndexLocked,
    IndexNotFound,
    IndexStoreError,
    IndexVersionError,
    nearest_path,
)

FORMAT = "product-qa-index"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_LOCK = ".lock"
_BUILD = "python -m retrieval build CATALOG --out"
_GENERATION = re.compile(r"gen-(\d{6})")


class Builder:
    """A generation under construction. Made by ``build_into``."""

    def __init__(self, folder: Path, number: int) -> None:
        """Create the empty folder of the new generation."""
        self.index_folder = folder
        self.name = f"gen-{number:06d}"
        self.folder = folder / self.name
        self.folder.mkdir()

    def commit(self, facts: dict[str, Any]) -> None:
        """Seal the generation: flush and checksum its files, then put the manifest in force.

        Args:
            facts: What the manifest says beside format, generation and files.
        """
        files = {}
        for path in _files_below(self.folder):
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            state = path.stat()
            name = path.relative_to(self.folder).as_posix()
            files[name] = {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": _sha256(path)}
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "generation": self.name,
            **facts,
            "files": files,
        }
        manifest["checksum"] = _checksum(manifest)
        unfinished = self.index_folder / f".{MANIFEST}.new"
        with unfinished.open("w", encoding="utf-8") as stream:
            json.dump(manifest, stream, indent=2, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, self.index_folder / MANIFEST)


@contextmanager
def build_into(folder: Path, *, force: bool = False) -> Iterator[Builder]:
    """Hold the lock of an index folder while a new generation of it is built.

    On leaving, whatever the manifest does not name is removed: after a commit the old generation, after a failure the
    new one.

    Raises:
        IndexExists: There is an index and ``force`` is not set.
        IndexForeign: The folder belongs to another program.
        IndexLocked: Another process is building there.
        IndexStoreError: The folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise IndexLocked(f"Another process is building {folder}; wait for it, or build to another folder.") from error
    except OSError as error:
        raise IndexStoreError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    try:
        _refuse_to_replace(folder, force=force)
        _remove_unnamed(folder)
        try:
            yield Builder(folder, _last_generation(folder) + 1)
        except OSError as error:
            raise IndexStoreError(f"Building {folder} failed: {error.strerror or error}.") from error
        finally:
            _remove_unnamed(folder)
    finally:
        lock.release()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of an index folder.

    Raises:
        IndexNotFound: There is no such folder, or no index in it.
        IndexIncomplete: A build began there and did not finish.
        IndexForeign: The manifest is another program's.
        IndexVersionError: The format is newer or older than this version reads.
        IndexDamaged: The manifest was altered.
    """
    if not folder.is_dir():
        raise IndexNotFound(f"No index at {folder}{nearest_path(folder)}; build one with: {_BUILD} {folder}.")
    path = folder / MANIFEST
    if not path.is_file():
        if any(_GENERATION.fullmatch(entry.name) for entry in folder.iterdir()):
            raise IndexIncomplete(f"A build of {folder} did not finish; run it again.")
        raise IndexNotFound(f"{folder} holds no index; build one with: {_BUILD} {folder}.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise IndexDamaged(f"{path} is not readable JSON ({error}); build the index again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise IndexForeign(f"{path} was not written by product-qa; choose another folder.")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        remedy = "update product-qa" if isinstance(version, int) and version > FORMAT_VERSION else "build it again"
        raise IndexVersionError(f"{folder} has index format {version}, this version reads {FORMAT_VERSION}; {remedy}.")
    if manifest.get("checksum") != _checksum(manifest):
        raise IndexDamaged(f"{path} was altered: its own checksum does not match; build the index again.")
    return manifest


def check_files(folder: Path, manifest: dict[str, Any], *, every_byte: bool) -> None:
    """Compare the files of a generation with the manifest.

    Args:
        folder: The index folder.
        manifest: Its manifest.
        every_byte: Hash all files; otherwise only those whose size or time of change is not the recorded one.

    Raises:
        IndexIncomplete: A file is missing.
        IndexDamaged: A file differs.
    """
    for name, recorded in manifest["files"].items():
        path = folder / manifest["generation"] / name
        try:
            state = path.stat()
        except FileNotFoundError as error:
            raise IndexIncomplete(f"{path} is missing; build the index again.") from error
        if state.st_size != recorded["bytes"]:
            raise IndexDamaged(
                f"{path} has {state.st_size} bytes instead of {recorded['bytes']}; build the index again."
            )
        if (every_byte or state.st_mtime_ns != recorded["mtime_ns"]) and _sha256(path) != recorded["sha256"]:
            raise IndexDamaged(f"{path} was altered: its SHA-256 does not match the manifest; build the index again.")


def sha256_of_files(paths: list[Path]) -> str:
    """Return the SHA-256 over the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    return sha256_of_files([path])


def _checksum(manifest: dict[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _last_generation(folder: Path) -> int:
    return max((int(m[1]) for entry in folder.iterdir() if (m := _GENERATION.fullmatch(entry.name))), default=0)


def _remove_unnamed(folder: Path) -> None:
    """Remove the generations that no manifest names; keep all where there is a manifest that cannot be read."""
    named = ""
    if (folder / MANIFEST).exists():
        try:
            named = read_manifest(folder)["generation"]
        except IndexStoreError:
            return
    for entry in folder.iterdir():
        if _GENERATION.fullmatch(entry.name) and entry.name != named:
            shutil.rmtree(entry, ignore_errors=True)


def _refuse_to_replace(folder: Path, *, force: bool) -> None:
    if not (folder / MANIFEST).exists():
        return
    try:
        read_manifest(folder)
    except IndexForeign:
        raise
    except IndexStoreError:
        pass
    if not force:
        raise IndexExists(f"There is an index at {folder} already; --force builds a new one and then replaces it.")
