"""The whole path on the catalogue that ships with the project, with the real encoder and the real language model."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from benchmarks.search_quality import findable, measure
from qa.engine import ProductQA
from retrieval.index import HybridIndex
from tests.conftest import SAMPLE

pytestmark = pytest.mark.models


def questions() -> list[dict[str, object]]:
    with (SAMPLE / "questions.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_the_sample_has_what_it_promises(sample_index: HybridIndex) -> None:
    counts = sample_index.manifest["counts"]
    assert counts["usable"] >= 240
    assert counts["dropped"]["no content"] > 0
    assert counts["twins"] > 0
    assert counts["with_entities"] > 0
    titles = {product.title for product in sample_index.catalogue}
    ballet = {"Girls Ballet Tutu Neon Pink", "Girls Ballet Tutu Neon Blue"}
    assert ballet | {"Mog's Kittens", "The Prophet", "Nice for Mice"} <= titles
    assert len(questions()) >= 80
    assert sum(question["lang"] == "pt" for question in questions()) >= 10


def test_every_evidence_stands_in_its_product(sample_index: HybridIndex) -> None:
    for question in questions():
        products = [sample_index.product(uid) for uid in question["uids"]]
        assert None not in products, question
        if question["evidence"]:
            assert any(question["evidence"] in text for p in products for text in (p.title, p.content)), question


def test_search_finds_the_product(sample_index: HybridIndex) -> None:
    found = measure(sample_index, findable(SAMPLE / "questions.jsonl"))["all"]["reranked"]
    assert found["hit@1"] >= 0.85
    assert found["hit@4"] >= 0.90


def test_the_language_model_answers_and_nothing_is_invented(sample_index: HybridIndex) -> None:
    shop = ProductQA.open(sample_index.folder)
    asked = ["What is Nice for Mice?", "who wrote Nice for Mice?", *(q["question"] for q in islice(questions(), 10))]
    answers = shop.answer_batch(asked)
    assert answers[0].status == "answered"
    assert answers[0].product is not None
    assert answers[0].product.title == "Nice for Mice"
    assert answers[1].status == "not_in_description"
    assert answers[0].timings["generate"] > 0
    for answer in answers:
        assert (answer.status == "answered") == bool(answer.citations)
        for citation in answer.citations:
            product = sample_index.product(citation.uid)
            assert product is not None
            assert citation.quote in product.title or citation.quote in product.content
