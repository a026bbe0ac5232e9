from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from qa.evaluation import asking
from qa.evaluation.arms import ARMS
from qa.evaluation.asking import OpenedPipelines
from retrieval.evidence import Pair
from retrieval.index import HybridIndex
from retrieval.question_file import Question
from tests.fakes import DECISION, KeywordRanker, ScriptedGenerator, pipeline_over

QUESTIONS = [
    Question("how heavy is the ridge two tent", "fact", ("TENT1",)),
    Question("how long is the cord of the desk lamp", "fact", ("LAMP1",)),
]


class CountingRanker(KeywordRanker):
    def __init__(self) -> None:
        self.calls = 0

    def score(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        self.calls += 1
        return super().score(pairs)


class Generators:
    """Makes fake language models, and remembers for what."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Path | None]] = []

    def __call__(self, model: str, adapter: Path | None) -> ScriptedGenerator:
        self.made.append((model, adapter))
        return ScriptedGenerator()


@pytest.fixture
def ranker() -> CountingRanker:
    return CountingRanker()


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> Generators:
    generators = Generators()
    monkeypatch.setattr(asking, "TransformersGenerator", generators)
    return generators


def test_arms_share_search_and_ranking_and_the_time_these_took(
    index: HybridIndex, ranker: CountingRanker, generators: Generators
) -> None:
    pipelines = OpenedPipelines(index, ranker, DECISION, "model", "adapter")
    names = ("extractive", "copy", "tuned+retrieval", "untuned+retrieval", "tuned+gold", "untuned+gold")
    given, calls = {}, {}
    for name in names:
        pipeline = pipelines.open(ARMS[name].reader, None)
        before = ranker.calls
        given[name] = ARMS[name].ask(pipeline, QUESTIONS)
        calls[name] = ranker.calls - before
    assert calls == dict.fromkeys(names, 0) | {"extractive": 1, "tuned+gold": 2}
    assert {answer.timings["search"] for name in names[:4] for answer in given[name]} == {
        given["extractive"][0].timings["search"]
    }
    alone = pipeline_over(index, ScriptedGenerator())
    for name in ("untuned+retrieval", "untuned+gold"):
        expected = ARMS[name].ask(alone, QUESTIONS)
        assert [(a.text, a.status, a.hits, a.citations, a.confidence) for a in given[name]] == [
            (a.text, a.status, a.hits, a.citations, a.confidence) for a in expected
        ]
    assert generators.made == [
        ("model", Path("adapter")),
        ("model", None),
        ("model", Path("adapter")),
        ("model", None),
    ]


def test_other_numbers_of_products_are_looked_at_anew_by_the_model_that_is_held(
    index: HybridIndex, ranker: CountingRanker, generators: Generators
) -> None:
    pipelines = OpenedPipelines(index, ranker, DECISION, "model", "adapter")
    for k in (None, 1, 8):
        before = ranker.calls
        pipeline = pipelines.open("untuned", k)
        assert pipeline.k == (k or 2)
        ARMS["untuned+retrieval"].ask(pipeline, QUESTIONS)
        assert ranker.calls > before
    assert generators.made == [("model", None)]
