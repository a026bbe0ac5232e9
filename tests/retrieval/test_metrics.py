from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, top_k_accuracy_score

from retrieval.metrics import hit_at_k, ndcg_at_k, reciprocal_rank


@pytest.mark.parametrize(
    ("relevant", "k", "hit", "reciprocal"),
    [
        ([True, False], 1, 1.0, 1.0),
        ([False, True], 1, 0.0, 0.5),
        ([False, True], 2, 1.0, 0.5),
        ([False, False, False, True, True], 4, 1.0, 0.25),
        ([False, False, True], 10, 1.0, 1 / 3),
        ([False, False], 2, 0.0, 0.0),
        ([], 3, 0.0, 0.0),
    ],
)
def test_hit_and_reciprocal_rank_by_hand(relevant: list[bool], k: int, hit: float, reciprocal: float) -> None:
    assert hit_at_k(relevant, k) == hit
    assert reciprocal_rank(relevant) == pytest.approx(reciprocal)


@pytest.mark.parametrize(
    ("gains", "judged", "k", "expected"),
    [
        ([3, 2, 3, 0, 1, 2], [3, 2, 3, 0, 1, 2, 3, 2], 6, 6.8611 / 8.7403),
        ([1, 0], [0, 1], 2, 1.0),
        ([0, 1], [1], 2, 0.6309),
        ([0, 1], [1], 1, 0.0),
        ([1], [1, 1], 10, 1 / 1.6309),
        ([0, 0], [0, 0], 2, 0.0),
        ([], [1], 5, 0.0),
        ([], [], 5, 0.0),
    ],
)
def test_ndcg_by_hand(gains: list[float], judged: list[float], k: int, expected: float) -> None:
    assert ndcg_at_k(gains, judged, k) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_ndcg_agrees_with_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        judged = rng.integers(0, 4, 20).astype(float)
        scores = rng.permutation(20)
        ranked = judged[np.argsort(-scores)].tolist()
        assert ndcg_at_k(ranked, judged.tolist(), k) == pytest.approx(ndcg_score([judged], [scores], k=k))


def test_reciprocal_rank_agrees_with_scikit_learn_for_one_relevant_result() -> None:
    rng = np.random.default_rng(6)
    relevant = np.eye(15, dtype=int)[rng.integers(0, 15, 100)]
    scores = np.array([rng.permutation(15) for _ in range(100)])
    ours = [reciprocal_rank(row[np.argsort(-s)].astype(bool).tolist()) for row, s in zip(relevant, scores, strict=True)]
    assert np.mean(ours) == pytest.approx(label_ranking_average_precision_score(relevant, scores))


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_hit_agrees_with_scikit_learn_for_one_relevant_result(k: int) -> None:
    rng = np.random.default_rng(7)
    right = rng.integers(0, 10, 200)
    scores = np.array([rng.permutation(10) for _ in range(200)])
    ours = [hit_at_k((np.argsort(-s) == label).tolist(), k) for label, s in zip(right, scores, strict=True)]
    assert np.mean(ours) == pytest.approx(top_k_accuracy_score(right, scores, k=k, labels=range(10)))
