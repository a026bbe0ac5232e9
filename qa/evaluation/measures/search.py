"""Whether the search found the product: hit@1, hit@k, MRR and nDCG@k (``retrieval.metrics`` gives their sources)."""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores
from retrieval.metrics import hit_at_k, ndcg_at_k, reciprocal_rank


def score(case: Case) -> Scores:
    """Score the hits of an arm that searches, for a question that has a right product; k is how many the arm got."""
    if not (case.arm.searches and case.has_right_product):
        return {"hit@1": None, "hit@k": None, "mrr": None, "ndcg@k": None}
    found = [case.is_right(product) for product in case.hits]
    return {
        "hit@1": hit_at_k(found, 1),
        "hit@k": hit_at_k(found, len(found)),
        "mrr": reciprocal_rank(found),
        "ndcg@k": ndcg_at_k(list(map(float, found)), [1.0] * len(case.right), len(found)),
    }
