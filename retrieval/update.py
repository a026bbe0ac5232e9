"""Updates of an index: rows removed, added and changed; only what has another text is encoded."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrieval.build import Progress, library_versions, log_rejects, silent
from retrieval.catalog import Catalogue
from retrieval.dense import DenseIndex
from retrieval.encoder import Encoder
from retrieval.errors import CatalogueError, UsageError
from retrieval.files import sha256_of_files
from retrieval.generation import Builder, build_into
from retrieval.index import HybridIndex
from retrieval.next_state import compact, write_next
from retrieval.reader import DEFAULT_MAX_ERRORS, CatalogueReader, CatalogueReport
from retrieval.rejects import Reject
from retrieval.revision import revise
from retrieval.storage import OWN_KEYS, read_manifest

COMPACT_FROM = 0.1
"""Share of removed rows from which it is advisable to compact."""


def update_index(
    folder: Path | str,
    *,
    add: Sequence[Path | str] = (),
    remove: Collection[str] = (),
    encoder: Encoder | None = None,
    max_errors: int = DEFAULT_MAX_ERRORS,
    on_reject: Callable[[Reject], None] | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[HybridIndex, dict[str, Any]]:
    """Remove products from an index, then add and change others; the next index appears in the folder when it is whole.

    A row whose uid the index knows replaces the earlier one, and keeps its place in the order of the catalogue; when it
    lacks a title or a content, the product is removed. Where vectors are compared one by one, the files are those that
    a fresh build of the resulting catalogue would write. Where they are scanned, rows are appended, others marked as
    removed: until ``compact_index``, BM25 counts those in its statistics. Codes go by what the build learned.

    Args:
        folder: The index folder.
        add: Files of JSON lines, plain or gzip, with rows that are added or changed.
        remove: Uids to remove.
        encoder: The encoder the index was built with; by default the manifest names it. Used only if a text is new.
        max_errors: Malformed lines to tolerate.
        on_reject: Called with each malformed line.
        progress: Called as the work goes on.
        tell: Called with what a user should know.

    Returns:
        The index, and how many uids were added, changed, unchanged, removed or not there to be removed, how many texts
        were encoded, and the counts of the files that were read.

    Raises:
        UsageError: Nothing is to be added or removed.
        CatalogueError: Too many malformed lines, or nothing would be left.
        IndexStoreError: The index cannot be used, or the folder cannot be written to.
        EncoderMismatch: ``encoder`` is not the one that the index was built with.
    """
    if not add and not remove:
        raise UsageError("Nothing to do: name files to --add or uids to --remove.")
    folder, paths, remove = Path(folder), [Path(path) for path in add], set(remove)
    progress, tell = progress or silent, tell or _ignore
    if paths:
        CatalogueReader(paths)  # a wrong path is told before anything is done
    purpose = {"add": sha256_of_files(paths), "remove": sorted(remove)}
    with _next_generation(folder, purpose) as generation:
        old = _open(folder, encoder)
        new, read = _read(generation, folder, paths, max_errors, on_reject, progress)
        revision = revise(old.catalogue, new, remove, read["emptied"])
        if revision.unknown:
            some = ", ".join(revision.unknown[:3]) + (", …" if len(revision.unknown) > 3 else "")
            tell(f"{len(revision.unknown):,} of the uids to remove are not in {folder}: {some}")
        if len(old.catalogue) - len(revision.gone) + len(revision.rows) == 0:
            raise CatalogueError(f"Nothing would be left in {folder}; delete the folder instead.")
        done = {
            "added": revision.added,
            "changed": revision.changed,
            "unchanged": revision.unchanged,
            "removed": revision.removed,
            "not there": len(revision.unknown),
            "encoded": 0,
            "read": read["counts"],
        }
        if not revision.changes_nothing:
            catalogue, dense, done["encoded"] = write_next(generation, old, revision, progress, tell)
            facts = _facts(
                old.manifest,
                dense=dense,
                counts=_counts(catalogue),
                catalogue=_source(old.manifest["catalogue"], generation.purpose, paths),
                updated={"at": datetime.now(UTC).isoformat(timespec="seconds"), **done},
            )
            generation.commit(facts, shared=old.manifest["files"])
    return HybridIndex.open(folder, encoder=encoder), done


def compact_index(
    folder: Path | str, *, encoder: Encoder | None = None, progress: Progress | None = None
) -> HybridIndex:
    """Write an index anew without its removed rows, in the order of the catalogue; nothing is encoded.

    Vectors in 8 bits keep their codes. An index without removed or appended rows is left as it is.

    Args:
        folder: The index folder.
        encoder: The encoder the index was built with, for the index that is returned.
        progress: Called as the work goes on.

    Raises:
        IndexStoreError: The index cannot be used, or the folder cannot be written to.
    """
    folder = Path(folder)
    with _next_generation(folder, {"compact": True}) as generation:
        old = _open(folder, encoder)
        if not _is_compact(old.catalogue):
            dense = DenseIndex.open(old.catalogue.folder, old.manifest["dense"])
            compact(generation, old.catalogue, dense, old.manifest, progress or silent)
            generation.commit(_facts(old.manifest))
    return HybridIndex.open(folder, encoder=encoder)


def _next_generation(folder: Path, purpose: dict[str, Any]) -> AbstractContextManager[Builder]:
    read_manifest(folder)  # a wrong folder is told before it is made
    return build_into(folder, lambda: purpose | {"after": read_manifest(folder)["checksum"]}, force=True)


def _open(folder: Path, encoder: Encoder | None) -> HybridIndex:
    """Open the index that is to change, every byte of it checked: damage must not be sealed with new hashes."""
    return HybridIndex.open(folder, encoder=encoder, rerank="none", every_byte=True)


def _read(
    generation: Builder,
    folder: Path,
    paths: list[Path],
    max_errors: int,
    on_reject: Callable[[Reject], None] | None,
    progress: Progress,
) -> tuple[Catalogue | None, dict[str, Any]]:
    """Read the rows that are added or changed into the generation's scratch folder.

    Returns:
        Their catalogue, or None when there is none, and its counts and the uids of rows without title or content.
    """
    into = generation.scratch / "added"
    read = generation.finished("read")
    if read is None:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        emptied: list[str] = []
        counts = CatalogueReport().as_dict()
        if paths:
            reader = CatalogueReader(
                paths,
                max_errors=max_errors,
                on_reject=log_rejects(folder, on_reject),
                on_drop=emptied.append,
                may_be_empty=True,
            )
            Catalogue.write(reader, into, lambda done: progress("read", done, None))
            counts = reader.report.as_dict()
        read = {"counts": counts, "emptied": emptied}
        generation.finish("read", read, into)
    return Catalogue(into) if paths else None, read


def _facts(manifest: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return what the next manifest says."""
    kept = {key: value for key, value in manifest.items() if key not in OWN_KEYS}
    return kept | {"libraries": library_versions()} | changed


def _counts(catalogue: Catalogue) -> dict[str, Any]:
    """Return the counts of a fresh build."""
    twins = len(catalogue.twins)
    return CatalogueReport(rows=len(catalogue) + twins, usable=len(catalogue), twins=twins).as_dict()


def _source(before: dict[str, Any], purpose: dict[str, Any], paths: list[Path]) -> dict[str, Any]:
    """Return what the manifest says of the catalogue; its hash covers the earlier one and all that was changed."""
    changes = json.dumps([before["sha256"], purpose["add"], purpose["remove"]])
    names = [*before["files"], *(path.name for path in paths)]
    return before | {"files": names, "sha256": hashlib.sha256(changes.encode()).hexdigest()}


def _is_compact(catalogue: Catalogue) -> bool:
    return not catalogue.removed.any() and len(catalogue.files) == 3


def _ignore(_told: object) -> None:
    pass
