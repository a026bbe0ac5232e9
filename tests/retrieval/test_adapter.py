from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.adapter import AdapterIdentity
from retrieval.errors import AdapterMismatch


@pytest.mark.parametrize("data", [b'{"format": "\xff"}', b'{"run": ' + b"9" * 5_000 + b"}"])
def test_a_run_file_that_cannot_be_read_is_a_foreign_one(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(AdapterMismatch, match=r"run\.json was not written by this program"):
        AdapterIdentity.read(tmp_path)
