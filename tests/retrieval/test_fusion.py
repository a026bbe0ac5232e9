from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.fusion import RRF_K, reciprocal_rank_fusion


def test_scores_are_the_sums_of_reciprocal_ranks() -> None:
    fused = reciprocal_rank_fusion([[7, 3, 5], [3, 9]])
    assert RRF_K == 60
    assert [row for row, _ in fused] == [3, 7, 9, 5]
    assert dict(fused) == pytest.approx({3: 1 / 62 + 1 / 61, 7: 1 / 61, 9: 1 / 62, 5: 1 / 63})


def test_the_constant_decides_how_much_a_first_place_is_worth() -> None:
    rankings = [[1, 2], [3, 2]]
    assert [row for row, _ in reciprocal_rank_fusion(rankings, k=60)] == [2, 1, 3]
    assert reciprocal_rank_fusion(rankings, k=0) == [(1, 1.0), (3, 1.0), (2, 1.0)]


@pytest.mark.parametrize(
    ("rankings", "order"),
    [
        ([[4, 2], [2, 4]], [2, 4]),
        ([[9], [1]], [1, 9]),
        ([[1], [9]], [1, 9]),
        ([[8, 6, 7], [5, 7, 6]], [6, 7, 5, 8]),
    ],
)
def test_equal_scores_come_in_row_order_whichever_ranking_comes_first(
    rankings: list[list[int]], order: list[int]
) -> None:
    assert [row for row, _ in reciprocal_rank_fusion(rankings)] == order
    assert [row for row, _ in reciprocal_rank_fusion(rankings[::-1])] == order


def test_equal_scores_come_in_order_of_their_best_rank_before_their_row() -> None:
    assert [row for row, _ in reciprocal_rank_fusion([[7, 1], [8, 1]], k=0)] == [7, 8, 1]


def test_rounding_does_not_break_a_tie_between_three_rankings() -> None:
    first, second, third = [0, 1, 11, 12, 13, 14, 15], [1, 21, 22, 23, 24, 25, 0], [31, 0, 32, 33, 34, 35, 1]
    for rankings in itertools.permutations([first, second, third]):  # 0 has the ranks 1, 7, 2 and 1 has 2, 1, 7
        assert [row for row, _ in reciprocal_rank_fusion(rankings)][:2] == [0, 1]


@pytest.mark.parametrize(("rankings", "fused"), [([], []), ([[], []], []), ([[], [5]], [(5, 1 / 61)])])
def test_empty_rankings_add_nothing(rankings: list[list[int]], fused: list[tuple[int, float]]) -> None:
    assert reciprocal_rank_fusion(rankings) == fused


RANKINGS = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=15), max_size=4)


@settings(deadline=None, database=None)
@given(RANKINGS, st.integers(0, 100))
def test_every_row_comes_once_in_falling_order_of_its_sum_whatever_the_order_of_rankings(
    rankings: list[list[int]], k: int
) -> None:
    fused = reciprocal_rank_fusion(rankings, k)
    assert sorted(row for row, _ in fused) == sorted({row for ranking in rankings for row in ranking})
    exact = {row: sum(Fraction(1, k + r.index(row) + 1) for r in rankings if row in r) for row, _ in fused}
    assert [score for _, score in fused] == pytest.approx([float(exact[row]) for row, _ in fused])
    assert [exact[row] for row, _ in fused] == sorted(exact.values(), reverse=True)
    assert reciprocal_rank_fusion(rankings[::-1], k) == fused


@settings(deadline=None, database=None)
@given(st.lists(st.integers(0, 30), unique=True, max_size=15))
def test_a_single_ranking_and_copies_of_it_keep_its_order(ranking: list[int]) -> None:
    for times in (1, 2, 3):
        assert [row for row, _ in reciprocal_rank_fusion([ranking] * times)] == ranking
