from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from retrieval.build import BuildOptions, build_index
from retrieval.errors import EncoderMismatch, ModelNotFound
from retrieval.index import HybridIndex
from retrieval.query import Query, Wanted
from retrieval.rerank import DEFAULT_RERANKER, FEATURES, Reranker, features
from retrieval.schema import Hit, Product
from tests.conftest import ROWS, WriteCatalogue
from tests.fakes import KeywordEncoder

MUG = Product("MUG1", "Harbour Mug 300", "Holds 300 ml. Dishwasher safe.")
TENT = Product("TENT1", "Ridge Tent", "Sleeps two people.")


def described(query: Query, product: Product, **hit: float) -> dict[str, float]:
    (row,) = features(query, [Hit(product, rank=1, **({"score": 0.0} | hit))])
    return dict(zip(FEATURES, row.tolist(), strict=True))


def test_features_of_a_worked_case() -> None:
    wanted = (
        Wanted(("harbor", "harbour"), 3.0),
        Wanted(("dishwash",), 2.0),
        Wanted(("300",), 4.0),
        Wanted(("wide",), 1.0),
    )
    query = Query("harbor mug dishwasher safe", wanted, ("harbor mug dishwasher safe",))
    found = described(query, MUG, score=0.02, cosine=0.5, bm25=20.0)
    assert found["fused_score"] == pytest.approx(2.0)
    assert (found["cosine"], found["bm25"]) == (0.5, 2.0)
    assert found["covered_by_title"] == pytest.approx(7 / 10)
    assert found["covered_by_content"] == pytest.approx(6 / 10)
    assert found["covered"] == pytest.approx(9 / 10)
    assert found["covered_count"] == pytest.approx(3 / 4)
    assert found["covered_by_best_sentence"] == pytest.approx(4 / 10)
    assert found["rarest_covered"] == 1.0
    assert found["title_asked_for"] == pytest.approx(2 / 3)
    assert found["neighbours_kept"] == pytest.approx(1 / 3)
    assert found["model_numbers_covered"] == 1.0
    assert found["log_content_terms"] == pytest.approx(np.log1p(5))


def test_a_hit_without_scores_has_features_too() -> None:
    found = described(Query("tent", (Wanted(("tent",)),), ("tent",)), TENT)
    assert (found["cosine"], found["bm25"], found["covered"]) == (0.0, 0.0, 1.0)
    assert features(Query("tent", (Wanted(("tent",)),), ("tent",)), []).shape == (0, len(FEATURES))


def weighted(**weights: float) -> Reranker:
    return Reranker(dict.fromkeys(FEATURES, 0.0) | weights, encoder={})


def test_hits_are_ordered_by_the_weighted_sum_and_equals_keep_their_order() -> None:
    query = Query("tent", (Wanted(("tent",)),), ("tent",))
    hits = [Hit(MUG, 1, 0.03, cosine=0.1), Hit(TENT, 2, 0.02, cosine=0.9)]
    again = weighted(cosine=2.0).rerank(query, hits)
    assert [(hit.product.uid, hit.rank, hit.score) for hit in again] == [("TENT1", 1, 1.8), ("MUG1", 2, 0.2)]
    assert [hit.product.uid for hit in weighted().rerank(query, hits)] == ["MUG1", "TENT1"]


def test_weights_survive_the_file_and_other_files_are_refused(tmp_path: Path) -> None:
    saved = weighted(cosine=2.0)
    saved.save(tmp_path / "r.json")
    assert Reranker.open(tmp_path / "r.json").weights == saved.weights
    with pytest.raises(ModelNotFound, match=r"did you mean .*r\.json"):
        Reranker.open(tmp_path / "rr.json")
    good = (tmp_path / "r.json").read_text()
    heavy, none, cos = good.replace("2.0", '"heavy"'), good.replace("2.0", "null"), good.replace("cosine", "cos")
    for text in ("{", "[]", json.dumps({"format": "x"}), heavy, none, cos):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ModelNotFound, match="not a reranker of this version"):
            Reranker.open(tmp_path / "bad.json")


def test_the_weights_that_ship_are_used_only_with_their_encoder(index: HybridIndex, tmp_path: Path) -> None:
    assert Reranker.open(DEFAULT_RERANKER).facts["questions"] > 300
    assert HybridIndex.open(index.folder).reranker is None
    with pytest.raises(EncoderMismatch, match="was learned with encoder"):
        HybridIndex.open(index.folder, rerank=str(DEFAULT_RERANKER))


def test_an_index_reranks_with_weights_of_its_encoder(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    built = build_index([write_catalogue(ROWS)], tmp_path / "i", encoder=KeywordEncoder(), options=BuildOptions())
    Reranker(dict.fromkeys(FEATURES, 0.0) | {"cosine": -1.0}, built.manifest["encoder"]).save(tmp_path / "r.json")
    reversed_ = HybridIndex.open(tmp_path / "i", encoder=KeywordEncoder(), rerank=str(tmp_path / "r.json"))
    plain = HybridIndex.open(tmp_path / "i", encoder=KeywordEncoder(), rerank="none")
    question = "blue mug, dishwasher safe"
    assert plain.search(question, 6)[0].product.uid == "MUG1"
    assert reversed_.search(question, 6)[-1].product.uid == "MUG1"
    assert [hit.rank for hit in reversed_.search(question, 3)] == [1, 2, 3]


def test_only_the_first_fifty_hits_are_reranked(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    rows = [{"uid": f"P{i}", "title": f"mug {i}", "content": "mug " * (i + 1)} for i in range(70)]
    built = build_index([write_catalogue(rows)], tmp_path / "i", encoder=KeywordEncoder())
    Reranker(dict.fromkeys(FEATURES, 0.0) | {"fused_score": -1.0}, built.manifest["encoder"]).save(tmp_path / "r.json")
    plain = HybridIndex.open(tmp_path / "i", encoder=KeywordEncoder(), rerank="none").search("mug", 70)
    turned = HybridIndex.open(tmp_path / "i", encoder=KeywordEncoder(), rerank=str(tmp_path / "r.json")).search(
        "mug", 70
    )
    uids = [hit.product.uid for hit in plain]
    first, rest = [hit.product.uid for hit in turned[:50]], [hit.product.uid for hit in turned[50:]]
    assert (first != uids[:50], sorted(first), rest) == (True, sorted(uids[:50]), uids[50:])
    assert [hit.rank for hit in turned] == list(range(1, 71))
