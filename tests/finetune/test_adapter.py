from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.adapter import ADAPTER_WEIGHTS, AdapterIdentity, index_identity
from retrieval.errors import AdapterMismatch
from retrieval.models import weights_sha256
from retrieval.prompt import PROMPT_VERSION

MANIFEST = {"catalogue": {"sha256": "c" * 64}, "encoder": {"id": "minilm", "weights_sha256": "e" * 64}}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def run(base: Path) -> dict[str, Any]:
    return {
        "format": "product-qa-adapter",
        "format_version": 1,
        "prompt_version": PROMPT_VERSION,
        "base_model": {"id": "a/base", "weights_sha256": weights_sha256(base)},
        "index": index_identity(MANIFEST),
    }


def adapter(tmp_path: Path, run: dict[str, Any]) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / ADAPTER_WEIGHTS).write_bytes(b"adapter")
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def test_an_adapter_opens_with_what_it_was_trained_on(tmp_path: Path, base: Path, run: dict[str, Any]) -> None:
    identity = AdapterIdentity.read(adapter(tmp_path, run))
    identity.check(base)
    assert identity.index_note(MANIFEST) is None
    assert (identity.base_model, identity.run) == ("a/base", run)


def test_another_base_model_is_an_error(tmp_path: Path, base: Path, run: dict[str, Any]) -> None:
    identity = AdapterIdentity.read(adapter(tmp_path, run))
    (base / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(AdapterMismatch, match=r"trained on a/base with weights .*use the same base model"):
        identity.check(base)


def test_another_prompt_is_an_error(tmp_path: Path, base: Path, run: dict[str, Any]) -> None:
    identity = AdapterIdentity.read(adapter(tmp_path, run | {"prompt_version": PROMPT_VERSION + 1}))
    with pytest.raises(AdapterMismatch, match=rf"prompt version {PROMPT_VERSION + 1}.*train it again"):
        identity.check(base)


@pytest.mark.parametrize("changed", [{"catalogue": {"sha256": "d" * 64}}, {"encoder": {"id": "bge"}}])
def test_another_index_is_a_note(tmp_path: Path, run: dict[str, Any], changed: dict[str, Any]) -> None:
    note = AdapterIdentity.read(adapter(tmp_path, run)).index_note(MANIFEST | changed)
    assert note is not None
    assert "another index (catalogue cccccccccccc…, encoder minilm)" in note


def test_rows_of_no_index_call_for_no_note(tmp_path: Path, run: dict[str, Any]) -> None:
    assert AdapterIdentity.read(adapter(tmp_path, run | {"index": None})).index_note(MANIFEST) is None


def test_an_unfinished_adapter_is_an_error(tmp_path: Path, run: dict[str, Any]) -> None:
    folder = adapter(tmp_path, run)
    (folder / "run.json").unlink()
    with pytest.raises(AdapterMismatch, match=r"No finished adapter at .*run.json is missing"):
        AdapterIdentity.read(folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "was not written by this program"),
        ("{}", "was not written by this program"),
        ('{"format": "other"}', "was not written by this program"),
    ],
)
def test_a_foreign_run_file_is_an_error(tmp_path: Path, run: dict[str, Any], text: str, told: str) -> None:
    folder = adapter(tmp_path, run)
    (folder / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(AdapterMismatch, match=told):
        AdapterIdentity.read(folder)


def test_a_later_format_and_missing_weights_are_errors(tmp_path: Path, run: dict[str, Any]) -> None:
    folder = adapter(tmp_path, run | {"format_version": 2})
    with pytest.raises(AdapterMismatch, match="this version reads product-qa-adapter 1"):
        AdapterIdentity.read(folder)
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    (folder / ADAPTER_WEIGHTS).unlink()
    with pytest.raises(AdapterMismatch, match=r"has no adapter_model\.safetensors"):
        AdapterIdentity.read(folder)
