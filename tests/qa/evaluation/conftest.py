from __future__ import annotations

from pathlib import Path

import pytest

from qa.evaluation import Settings, run
from qa.evaluation.report import plots
from retrieval import index as index_module
from retrieval.index import HybridIndex
from retrieval.question_file import write_questions
from tests.fakes import KeywordEncoder, KeywordRanker
from tests.qa.evaluation.runs import QUESTIONS, REGISTRY


@pytest.fixture
def keyword_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are opened again by their folder: with the encoder they were built with."""
    opened = HybridIndex.open.__func__
    monkeypatch.setattr(
        index_module.HybridIndex,
        "open",
        classmethod(lambda cls, folder, **options: opened(cls, folder, **({"encoder": KeywordEncoder()} | options))),
    )


class NamedRanker(KeywordRanker):
    """A ranker that the facts of a run can name."""

    arithmetic = "exact"

    def __init__(self, folder: Path | None) -> None:
        self.sha256 = f"of {folder}"


@pytest.fixture
def fixed_ranker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CrossEncoderRanker", NamedRanker)


@pytest.fixture
def blank_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws nothing, which saves most of the time that a run takes."""
    monkeypatch.setattr(plots, "_draw", lambda *_: "data:,")


@pytest.fixture
def settings(index: HybridIndex, tmp_path: Path, keyword_encoder: None, fixed_ranker: None) -> Settings:
    write_questions(tmp_path / "questions.jsonl", QUESTIONS)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    model = str(tmp_path / "model")
    return Settings(tmp_path / "questions.jsonl", index.folder, tmp_path / "run", arms=tuple(REGISTRY), model=model)
