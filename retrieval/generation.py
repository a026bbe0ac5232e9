"""Writing of an index folder: one builder at a time, a new generation beside the old one, in force when it is whole.

Until the manifest is replaced, the old index is in force. A build that is cut off leaves a generation that no manifest
names: the same build goes on there, any other removes it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.errors import IndexExists, IndexForeign, IndexLocked, IndexStoreError
from retrieval.files import files_below, flush, replace_json, sha256_of_files
from retrieval.storage import FORMAT, FORMAT_VERSION, MANIFEST, checksum, generations, read_manifest

_LOCK = ".lock"
_UNFINISHED = ".unfinished"
_PURPOSE = "purpose"


class Builder:
    """A generation under construction. Made by ``build_into``.

    Attributes:
        folder: Where its files go.
        purpose: What decides what is made.
        resumes: It goes on from where a build for the same purpose was cut off.
    """

    def __init__(self, index_folder: Path, purpose: dict[str, Any]) -> None:
        """Take up the generation that was begun for this purpose, or begin one; remove those begun for another."""
        self._index_folder = index_folder
        self.purpose = purpose
        self.resumes = False
        for folder in _unnamed(index_folder):
            self.folder = folder
            if purpose and self.finished(_PURPOSE) == purpose:
                self.resumes = True
                return
            shutil.rmtree(folder)
        last = max((int(folder.name.removeprefix("gen-")) for folder in generations(index_folder)), default=0)
        self.folder = index_folder / f"gen-{last + 1:06d}"
        self.folder.mkdir()
        self.finish(_PURPOSE, purpose)

    @property
    def scratch(self) -> Path:
        """A folder for what is removed when the generation is whole."""
        folder = self.folder / _UNFINISHED
        folder.mkdir(exist_ok=True)
        return folder

    def finish(self, step: str, facts: dict[str, Any], *paths: Path) -> None:
        """Note that a step of the build is done, so that it need not be done again when the build is cut off.

        Args:
            step: Its name.
            facts: What later steps must know of it.
            paths: The files and folders that it wrote.
        """
        written = files_below(*paths)
        flush(*written)
        files = {path.relative_to(self.folder).as_posix(): sha256_of_files([path]) for path in written}
        record = {"facts": facts, "files": files}
        replace_json(self.scratch / f"{step}.json", record | {"checksum": checksum(record)})

    def finished(self, step: str) -> dict[str, Any] | None:
        """Return the facts of a step that is done and whose files are as it left them, otherwise None."""
        try:
            record = json.loads((self.folder / _UNFINISHED / f"{step}.json").read_text(encoding="utf-8"))
            whole = record["checksum"] == checksum(record) and all(
                sha256_of_files([self.folder / name]) == sha256 for name, sha256 in record["files"].items()
            )
            return dict(record["facts"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @property
    def can_go_on(self) -> bool:
        """Whether something is done from which a build for the same purpose can go on."""
        return bool(self.purpose) and len(list(self.scratch.glob("*.json"))) > 1

    def commit(self, facts: dict[str, Any], shared: dict[str, Any] | None = None) -> None:
        """Seal the generation: flush and checksum its files, then put the manifest in force.

        Args:
            facts: What the manifest says beside format, generation and files.
            shared: What the manifest of the generation before says of files; those that are still the same file are
                not hashed again.
        """
        files = {}
        for path in files_below(self.folder):
            if self.folder / _UNFINISHED in path.parents:
                continue
            name, state = path.relative_to(self.folder).as_posix(), path.stat()
            recorded: dict[str, Any] = {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
            before = (shared or {}).get(name, {})
            if recorded.items() <= before.items():
                recorded = before
            else:
                flush(path)
                recorded["sha256"] = sha256_of_files([path])
            files[name] = recorded
        flush(*(path for path in (self.folder, *self.folder.rglob("*")) if path.is_dir()))
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "generation": self.folder.name,
            **facts,
            "files": files,
        }
        replace_json(self._index_folder / MANIFEST, manifest | {"checksum": checksum(manifest)})
        shutil.rmtree(self.scratch, ignore_errors=True)


@contextmanager
def build_into(folder: Path, purpose: Callable[[], dict[str, Any]] = dict, *, force: bool = False) -> Iterator[Builder]:
    """Hold the lock of an index folder while a new generation of it is built.

    On leaving, whatever the manifest does not name is removed: after a commit the old generation, after a failure the
    new one, unless something is done from which it can go on.

    Args:
        folder: The index folder.
        purpose: Returns all that decides what the build makes, as JSON data; called when the folder is locked. Only a
            build for the same purpose goes on where another was cut off; for none, none does.
        force: Replace an index that is there.

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
    kept: Path | None = None
    try:
        _refuse_to_replace(folder, force=force)
        try:
            generation = Builder(folder, purpose())
            try:
                yield generation
            except BaseException:
                kept = generation.folder if generation.can_go_on else None
                raise
        except OSError as error:
            told = "; what is done is kept, and the same command goes on from there" if kept else ""
            raise IndexStoreError(f"Building {folder} failed: {error.strerror or error}{told}.") from error
        finally:
            for leftover in _unnamed(folder):
                if leftover != kept:
                    shutil.rmtree(leftover, ignore_errors=True)
    finally:
        lock.release()


def _unnamed(folder: Path) -> list[Path]:
    """Return the generations that no manifest names; none where there is a manifest that cannot be read."""
    named = None
    if (folder / MANIFEST).exists():
        try:
            named = read_manifest(folder)["generation"]
        except IndexStoreError:
            return []
    return [generation for generation in generations(folder) if generation.name != named]


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
