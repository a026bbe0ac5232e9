"""What an adapter is bound to: base model, prompt, and the index its rows were retrieved from.

Training writes ``run.json`` beside the PEFT files, last, so that its existence means a whole adapter. Answering reads
it before any weight is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import AdapterMismatch, UsageError, nearest_path
from retrieval.models import ADAPTER_WEIGHTS, RUN_FILE, weights_sha256
from retrieval.prompt import PROMPT_VERSION

ADAPTER_FORMAT = "product-qa-adapter"
ADAPTER_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class AdapterIdentity:
    """What an adapter was trained on.

    Attributes:
        base_model: Id of the base model, as its recipe names it.
        base_weights_sha256: Hash of the base model's weights.
        prompt_version: Of the prompt the rows were rendered with.
        index: Identity of the index the rows were retrieved from; None where the rows tell of none.
        run: All of ``run.json``.
    """

    base_model: str
    base_weights_sha256: str
    prompt_version: int
    index: dict[str, Any] | None
    run: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> AdapterIdentity:
        """Read the identity of the adapter in a folder.

        Raises:
            AdapterMismatch: No adapter there, its training didn't finish, or this version doesn't read its format.
        """
        path = folder / RUN_FILE
        if not path.is_file():
            raise AdapterMismatch(f"No finished adapter at {folder}{nearest_path(folder)}: {RUN_FILE} is missing.")
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            known = (run["format"], run["format_version"]) == (ADAPTER_FORMAT, ADAPTER_FORMAT_VERSION)
            base, version, index = run["base_model"], run["prompt_version"], run["index"]
            identity = cls(base["id"], base["weights_sha256"], version, index, run)
        except (ValueError, KeyError, TypeError) as error:
            raise AdapterMismatch(f"{path} was not written by this program ({type(error).__name__}).") from error
        if not known:
            raise AdapterMismatch(
                f"{path} has format {run['format']} {run['format_version']}; "
                f"this version reads {ADAPTER_FORMAT} {ADAPTER_FORMAT_VERSION}."
            )
        if not (folder / ADAPTER_WEIGHTS).is_file():
            raise AdapterMismatch(f"The adapter at {folder} has no {ADAPTER_WEIGHTS}.")
        return identity

    def check(self, base_folder: Path) -> None:
        """Refuse a base model or a prompt that the adapter was not trained with.

        Args:
            base_folder: Folder of the base model that is about to be used.

        Raises:
            AdapterMismatch: Its weights differ from those the adapter was trained on, or the prompt has changed.
        """
        if self.prompt_version != PROMPT_VERSION:
            raise AdapterMismatch(
                f"The adapter was trained with prompt version {self.prompt_version}, and this is version "
                f"{PROMPT_VERSION}; train it again."
            )
        found = weights_sha256(base_folder)
        if found != self.base_weights_sha256:
            raise AdapterMismatch(
                f"The adapter was trained on {self.base_model} with weights {self.base_weights_sha256[:12]}…, and "
                f"{base_folder} has {found[:12]}…; use the same base model."
            )

    def seen(self) -> Container[str] | None:
        """Return the products its rows ask about; None where ``run.json`` does not tell."""
        told = self.run.get("seen")
        return None if told is None else _Fingerprinted(frozenset(told.split()))

    def index_note(self, manifest: dict[str, Any]) -> str | None:
        """Say in a sentence that an index is another one than the adapter's rows came from; None when it is the same.

        Args:
            manifest: Of the index that is about to be used.
        """
        if self.index is None or self.index == index_identity(manifest):
            return None
        return (
            f"The adapter's rows were retrieved from another index (catalogue {self.index['catalogue_sha256'][:12]}…, "
            f"encoder {self.index['encoder']['id']}); answers may be less sure."
        )


class _Fingerprinted(Container[str]):
    """Products of which the fingerprints are known."""

    def __init__(self, prints: frozenset[str]) -> None:
        self._prints = prints

    def __contains__(self, uid: object) -> bool:
        return fingerprint(str(uid)) in self._prints


def seen_products(path: Path) -> Container[str] | None:
    """Return the products that were trained on.

    Args:
        path: An adapter's folder, or a JSON file with a list ``seen_uids``.

    Returns:
        Their uids; None where the adapter does not tell.

    Raises:
        AdapterMismatch: No finished adapter in that folder.
        UsageError: No such file, or no ``seen_uids`` in it.
    """
    if path.is_dir():
        return AdapterIdentity.read(path).seen()
    if not path.is_file():
        raise UsageError(f"No adapter or file of seen products at {path}{nearest_path(path)}.")
    try:
        uids = json.loads(path.read_text(encoding="utf-8"))["seen_uids"]
        if not isinstance(uids, list):
            raise TypeError("seen_uids is no list")
        return frozenset(uids)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not JSON with a list seen_uids.") from error


def fingerprint(uid: str) -> str:
    """Return what ``run.json`` calls a product: it can be asked for, and does not give the catalogue away."""
    return hashlib.sha256(uid.encode()).hexdigest()[:12]


def fingerprints(uids: Iterable[str]) -> str:
    """Return the fingerprints of products, in order, between spaces."""
    return " ".join(sorted(map(fingerprint, uids)))


def index_identity(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one index from another: its catalogue and its encoder, from the index's manifest."""
    return {"catalogue_sha256": manifest["catalogue"]["sha256"], "encoder": manifest["encoder"]}
