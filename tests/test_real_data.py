"""The whole path on real listings and real questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.search_quality import findable, measure
from qa.engine import ProductQA
from retrieval.build import build_index
from retrieval.index import HybridIndex
from tests.conftest import require_models

pytestmark = [pytest.mark.models, pytest.mark.real_data]


@pytest.fixture(scope="module")
def real_index(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> HybridIndex:
    require_models()
    return build_index([real_data / "trn.sample.json.gz"], tmp_path_factory.mktemp("real") / "index")


def test_the_catalogue_is_read_without_loss(real_index: HybridIndex) -> None:
    counts = real_index.manifest["counts"]
    accounted = counts["usable"] + sum(counts["dropped"].values()) + counts["twins"] + counts["repeated_uids"]
    assert counts["rows"] == accounted + counts["rejected"] == 25_099
    real_index.verify()


def test_search_finds_the_product(real_index: HybridIndex, real_data: Path) -> None:
    found = measure(real_index, findable(real_data / "questions.dev.jsonl"))["all"]["reranked"]
    assert found["hit@1"] >= 0.75
    assert found["hit@4"] >= 0.87


def test_every_citation_is_a_verbatim_span(real_index: HybridIndex, real_data: Path) -> None:
    with (real_data / "questions.dev.jsonl").open(encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines]
    answers = [
        *ProductQA(real_index, None).answer_batch(questions),
        *ProductQA.open(real_index.folder).answer_batch(questions[:8]),
    ]
    cited = [citation for answer in answers for citation in answer.citations]
    assert len(cited) > 50
    for citation in cited:
        product = real_index.product(citation.uid)
        assert product is not None
        assert getattr(product, citation.field)[citation.start : citation.end] == citation.quote
    assert {answer.status for answer in answers} == {"answered", "not_in_description", "no_match", "ambiguous"}
