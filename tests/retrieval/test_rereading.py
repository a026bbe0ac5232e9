from __future__ import annotations

import pytest

from retrieval.query import parse_question
from retrieval.rereading import MOST_READ, NEAR, find
from retrieval.schema import Hit, Product
from tests.fakes import KeywordRanker
from tests.retrieval.test_context import Scores

QUERY = parse_question("the stool that folds")
STOOLS = [Product(f"STOOL{n}", f"Stool {n}", f"Made in town {n}.") for n in range(MOST_READ + 2)]


class Found:
    """An index whose searches end in these scores."""

    def __init__(self, *scores: float, reranker: object | None = "linear") -> None:
        self.reranker = reranker
        self.hits = [Hit(STOOLS[place], place + 1, score) for place, score in enumerate(scores)]

    def search_queries(self, queries, k):
        return [self.hits[:k] for _ in queries]


def test_of_near_hits_the_one_that_answers_comes_first() -> None:
    first, second, third = find(Found(5.0, 4.9, 1.0), Scores(town=0.0, **{"town 1": 6.0}), [QUERY], 3)[0]
    assert [hit.product for hit in (first, second, third)] == [STOOLS[1], STOOLS[0], STOOLS[2]]
    assert [hit.rank for hit in (first, second, third)] == [1, 2, 3]
    assert first.score > second.score


def test_a_clear_winner_is_not_read_again() -> None:
    ranker = Scores(**{"town 1": 50.0})
    hits = find(Found(5.0, 4.9 - NEAR, 1.0), ranker, [QUERY], 3)[0]
    assert [hit.product for hit in hits] == STOOLS[:3]
    assert not ranker.read


def test_no_more_than_a_few_are_read_however_few_are_wanted() -> None:
    ranker = Scores(**{f"town {MOST_READ - 1}": 50.0, f"town {MOST_READ}": 90.0})
    (hit,) = find(Found(*[5.0] * len(STOOLS)), ranker, [QUERY], 1)[0]
    assert hit.product == STOOLS[MOST_READ - 1]


@pytest.mark.parametrize("index", [Found(5.0, 5.0, reranker=None), Found()])
def test_fused_ranks_and_empty_searches_are_left_as_they_are(index: Found) -> None:
    assert find(index, KeywordRanker(), [QUERY], 2) == [index.hits]


def test_each_question_gets_its_own_scores() -> None:
    ranker = Scores(**{"town 1": 6.0})
    clear, near = Found(5.0, 1.0).hits, Found(5.0, 4.9).hits
    index = Found()
    index.search_queries = lambda queries, k: [list(near), list(clear), list(near)]  # type: ignore[method-assign]
    found = find(index, ranker, [QUERY] * 3, 2)
    assert [hits[0].product for hits in found] == [STOOLS[1], STOOLS[0], STOOLS[1]]
