"""Short shop queries with graded relevance (CrowdFlower): nDCG@10 of hybrid search, its halves, and plain fusion.

python -m benchmarks.shop_queries --index INDEX --qrels FILE --name RESULT
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from benchmarks.record import bootstrap_interval, parse_arguments, write_result
from benchmarks.search_quality import half
from retrieval.index import CANDIDATES, HybridIndex
from retrieval.metrics import ndcg_at_k
from retrieval.schema import Hit

SEED = 0


def judgements(path: Path) -> dict[str, dict[str, float]]:
    """Read the relevance of each judged product by query."""
    by_query: dict[str, dict[str, float]] = defaultdict(dict)
    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            by_query[row["query"]][row["uid"]] = float(row["relevance"])
    return by_query


def ndcg(hits: list[Hit], judged: dict[str, float]) -> float:
    """Return nDCG@10; a product that was not judged for the query gains nothing."""
    gains = [max((judged.get(uid, 0.0) for uid in (h.product.uid, *h.product.twins)), default=0.0) for h in hits]
    return ndcg_at_k(gains, list(judged.values()), 10)


def main() -> None:
    options = parse_arguments(__doc__, "qrels")
    judged = judgements(options.qrels)
    queries = list(judged)
    plain = HybridIndex.open(options.index, rerank="none").search_batch(queries, CANDIDATES)
    found = {
        "hybrid, reranked": HybridIndex.open(options.index).search_batch(queries, CANDIDATES),
        "hybrid, fusion only": plain,
        "BM25 alone": [half(hits, "lexical_rank") for hits in plain],
        "dense alone": [half(hits, "dense_rank") for hits in plain],
    }
    figures = {}
    for arm, rankings in found.items():
        values = [ndcg(hits, judged[query]) for query, hits in zip(queries, rankings, strict=True)]
        low, high = interval = bootstrap_interval(values, SEED)
        figures[arm] = {"ndcg@10": round(fmean(values), 4), "interval_95": interval}
        print(f"{arm:>20}  nDCG@10 {figures[arm]['ndcg@10']:.3f}  [{low:.3f}, {high:.3f}]")
    write_result(options.name, {"queries": len(queries)} | figures, [options.qrels], seed=SEED)


if __name__ == "__main__":
    main()
