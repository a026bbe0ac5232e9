from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from retrieval.files import replace_json, replace_text


def test_a_text_is_on_the_disk_before_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "facts.txt"
    path.write_text("old")
    flushed = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace_text(path, "novo é")
    assert flushed == [(path.stat().st_ino, "old"), (tmp_path.stat().st_ino, "novo é")]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    replace_json(path, {"name": "é"})
    for write in (lambda: replace_text(path, "half \ud800"), lambda: replace_json(path, {"name": {1}})):
        with pytest.raises((UnicodeEncodeError, TypeError)):
            write()
        assert json.loads(path.read_text(encoding="utf-8")) == {"name": "é"}
