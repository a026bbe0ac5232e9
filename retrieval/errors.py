"""Every error this project raises on purpose, but for that of an evaluation: ``qa.evaluation.errors``.

ProductQAError
├── UsageError              a wrong argument: value, limit and remedy are in the message
│   └── QuestionError       a question that is empty or too long
├── CatalogueError          a catalogue that cannot be read, or has too many bad lines
├── IndexStoreError         an index folder that cannot be used
│   ├── IndexNotFound       nothing there
│   ├── IndexExists         there already, and ``force`` was not given
│   ├── IndexIncomplete     a build did not finish, or files are missing
│   ├── IndexForeign        a manifest that another program wrote
│   ├── IndexVersionError   written in a format this version does not read
│   ├── IndexDamaged        a file differs from the checksum in the manifest
│   └── IndexLocked         another process is building it
├── EncoderMismatch         an index opened with another encoder than the one it was built with
├── AdapterMismatch         an adapter that is not whole, or belongs to another model or another prompt
├── ModelNotFound           no folder, no installed package and no hub has that model
├── TrainingDataError       rows that must not be trained on: cut off, without labels, or leaking into evaluation
├── MissingExtra            an optional dependency that a feature needs
└── GenerationError         the language model failed while it answered
"""

from __future__ import annotations

import difflib
from pathlib import Path


class ProductQAError(Exception):
    """Base of all errors raised on purpose by retrieval, finetune and qa."""


class UsageError(ProductQAError):
    """A wrong argument."""


class QuestionError(UsageError):
    """A question that cannot be asked: empty or too long."""


class CatalogueError(ProductQAError):
    """A catalogue that cannot be read or holds nothing usable."""


class IndexStoreError(ProductQAError):
    """An index folder that cannot be used."""


class IndexNotFound(IndexStoreError):
    """No index at that path."""


class IndexExists(IndexStoreError):
    """An index is there already and may not be replaced."""


class IndexIncomplete(IndexStoreError):
    """A build did not finish, or files are missing."""


class IndexForeign(IndexStoreError):
    """The manifest was written by another program."""


class IndexVersionError(IndexStoreError):
    """The index has a format that this version does not read."""


class IndexDamaged(IndexStoreError):
    """A file differs from what the manifest says of it."""


class IndexLocked(IndexStoreError):
    """Another process is building this index."""


class EncoderMismatch(ProductQAError):
    """The encoder is not the one the index was built with."""


class AdapterMismatch(ProductQAError):
    """An adapter that is not whole, or belongs to another base model or another prompt."""


class ModelNotFound(ProductQAError):
    """A model that is nowhere to be had."""


class TrainingDataError(ProductQAError):
    """Rows that must not be trained on."""


class MissingExtra(ProductQAError):
    """An optional dependency is not installed."""


class GenerationError(ProductQAError):
    """The language model failed while it answered."""


def nearest_path(path: Path) -> str:
    """Name the entry beside a missing ``path`` that looks most like it, as the end of a sentence.

    Returns:
        ``" (did you mean X?)"``, or an empty string when nothing is near or something else stands at that path.
    """
    if path.exists():
        return ""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        path, parent = parent, parent.parent
    names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {parent / close[0]}?)" if close else ""
