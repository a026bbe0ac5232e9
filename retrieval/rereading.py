"""Reading again what a search found: where hits are near each other, what of them answers decides.

The second stage of retrieving and reranking (Nogueira and Cho, "Passage re-ranking with BERT", 2019, arXiv:1901.04085)
by the cross-encoder that ranks evidence. Most searches have a clear winner, and nothing is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval.evidence import EvidenceRanker, candidate
from retrieval.index import HybridIndex
from retrieval.query import Query
from retrieval.schema import Hit
from retrieval.snippet import candidates

MOST_READ = 4
"""Hits that are read again, at most. Development and other written questions chose it and the next two."""
NEAR = 1.0
"""Hits whose score, by the reranker, is at most this much below the first one's are near it."""
WEIGHT = 0.3
"""Of the highest log-odds of a product's texts, beside the reranker's score."""


def find(index: HybridIndex, ranker: EvidenceRanker, queries: Sequence[Query], k: int) -> list[list[Hit]]:
    """Search, then order the hits that are near the first one by what of them answers, too.

    Args:
        index: Where products are found. Without a reranker its order stays: fused ranks do not tell what is near.
        ranker: Reads question and product together.
        queries: Questions.
        k: Hits wanted for each.

    Returns:
        For each question its hits, best first.
    """
    found = index.search_queries(queries, max(k, MOST_READ))
    if index.reranker is not None:
        near = [_near(hits) for hits in found]
        texts = [[candidates(query, hit.product) for hit in hits] for query, hits in zip(queries, near, strict=True)]
        pairs = [
            (query.english, candidate(hit.product.title, text))
            for query, hits, of_hits in zip(queries, near, texts, strict=True)
            for hit, of_hit in zip(hits, of_hits, strict=True)
            for text in of_hit
        ]
        scores = iter(ranker.score(pairs).tolist())
        for hits, again, of_hits in zip(found, near, texts, strict=True):
            read = [
                replace(hit, score=hit.score + WEIGHT * max(next(scores) for _ in of_hit))
                for hit, of_hit in zip(again, of_hits, strict=True)
            ]
            read.sort(key=lambda hit: -hit.score)
            hits[: len(read)] = [replace(hit, rank=rank) for rank, hit in enumerate(read, start=1)]
    return [hits[:k] for hits in found]


def _near(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first hit and those near it; none where it has no rival."""
    near = [hit for hit in hits[:MOST_READ] if hit.score >= hits[0].score - NEAR]
    return near if len(near) > 1 else []
