"""The index folder as it is read: a manifest, and the generation of files that it names.

indexes/NAME/manifest.json      names the generation in force; replaced in one step
indexes/NAME/gen-000001/…       the files of that generation, never changed once the manifest names them
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from retrieval.errors import (
    IndexDamaged,
    IndexForeign,
    IndexIncomplete,
    IndexNotFound,
    IndexVersionError,
    nearest_path,
)
from retrieval.files import parse_json, sha256_of_files

FORMAT = "product-qa-index"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"
OWN_KEYS = ("format", "format_version", "generation", "files", "checksum")
"""Keys of a manifest that say nothing of what the index was made of."""
_BUILD = "python -m retrieval build CATALOG --out"
_OTHER = "or name another (python -m qa takes --index or $PRODUCT_QA_INDEX)"
_GENERATION = re.compile(r"gen-(\d{6})")


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
        raise IndexNotFound(f"No index at {folder}{nearest_path(folder)}; build one with: {_BUILD} {folder}, {_OTHER}.")
    path = folder / MANIFEST
    if not path.is_file():
        if generations(folder):
            raise IndexIncomplete(f"A build of {folder} did not finish; run it again, and it goes on.")
        raise IndexNotFound(f"{folder} holds no index; build one with: {_BUILD} {folder}, {_OTHER}.")
    try:
        manifest = parse_json(path.read_bytes())
    except ValueError as error:
        raise IndexDamaged(f"{path} is not readable JSON ({error}); build the index again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise IndexForeign(f"{path} was not written by product-qa; choose another folder.")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        remedy = "update product-qa" if isinstance(version, int) and version > FORMAT_VERSION else "build it again"
        raise IndexVersionError(f"{folder} has index format {version}, this version reads {FORMAT_VERSION}; {remedy}.")
    if manifest.get("checksum") != checksum(manifest):
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
        if (every_byte or state.st_mtime_ns != recorded["mtime_ns"]) and sha256_of_files([path]) != recorded["sha256"]:
            raise IndexDamaged(f"{path} was altered: its SHA-256 does not match the manifest; build the index again.")


def checksum(record: dict[str, Any]) -> str:
    """Return the SHA-256 of JSON data without its own key ``checksum``."""
    rest = {key: value for key, value in record.items() if key != "checksum"}
    written = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode(errors="surrogatepass")).hexdigest()


def generations(folder: Path) -> list[Path]:
    """Return the generations in an index folder, in force or not, oldest first."""
    return sorted(entry for entry in folder.iterdir() if _GENERATION.fullmatch(entry.name))
