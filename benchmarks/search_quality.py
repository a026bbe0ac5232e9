"""Does search find the product? hit@1, hit@4, hit@50 and MRR by noise and language, beside plain fusion and its halves.

python -m benchmarks.search_quality --index INDEX --questions FILE --name RESULT [--rerank FILE]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.record import bootstrap_interval, parse_arguments, write_result
from retrieval.index import CANDIDATES, HybridIndex
from retrieval.metrics import hit_at_k, reciprocal_rank
from retrieval.question_file import FINDABLE, Question, read_questions
from retrieval.schema import Hit

SEED = 0
ARMS = ("reranked", "fusion", "dense", "lexical")


def findable(path: Path) -> list[Question]:
    """Read the questions that have one right product to find."""
    return [question for question in read_questions(path) if question.kind in FINDABLE]


def measure(index: HybridIndex, questions: list[Question]) -> dict[str, Any]:
    """Return the figures of search, of plain fusion and of its halves, overall and by group."""
    asked = [question.question for question in questions]
    reranked = index.search_batch(asked, CANDIDATES)
    hits = HybridIndex.open(index.folder, rerank="none").search_batch(asked, CANDIDATES)
    groups = {"all": list(range(len(questions)))}
    for key in ("noise", "lang"):
        for value in sorted({getattr(question, key) for question in questions}):
            groups[f"{key}={value}"] = [i for i, question in enumerate(questions) if getattr(question, key) == value]
    arms = {
        "reranked": [relevance(question, found) for question, found in zip(questions, reranked, strict=True)],
        "fusion": [relevance(question, found) for question, found in zip(questions, hits, strict=True)],
        "dense": [relevance(q, half(found, "dense_rank")) for q, found in zip(questions, hits, strict=True)],
        "lexical": [relevance(q, half(found, "lexical_rank")) for q, found in zip(questions, hits, strict=True)],
    }
    measured: dict[str, Any] = {}
    for group, rows in groups.items():
        measured[group] = {"questions": len(rows)}
        for arm, found in arms.items():
            cutoffs = (1, 4, 50) if arm in ("reranked", "fusion") else (1, 4)
            measured[group][arm] = figures([found[row] for row in rows], cutoffs)
    return measured


def half(hits: Sequence[Hit], rank: str) -> list[Hit]:
    """Return the hits that one half returned, in its order; the first hundred fused hits hold its top."""
    return sorted((hit for hit in hits if getattr(hit, rank) is not None), key=lambda hit: getattr(hit, rank))


def relevance(question: Question, hits: Sequence[Hit]) -> list[bool]:
    """Tell of each hit whether it is a right product."""
    return [hit.product.is_any_of(question.uids) for hit in hits]


def figures(rankings: list[list[bool]], cutoffs: Sequence[int]) -> dict[str, Any]:
    """Average the metrics over rankings, with bootstrap intervals."""
    values = {f"hit@{k}": [hit_at_k(ranking, k) for ranking in rankings] for k in cutoffs}
    values["mrr"] = list(map(reciprocal_rank, rankings))
    means = {name: round(fmean(of_all), 4) for name, of_all in values.items()}
    return means | {"intervals_95": {name: bootstrap_interval(of_all, SEED) for name, of_all in values.items()}}


def main() -> None:
    options = parse_arguments(__doc__, "questions", rerank="auto")
    index = HybridIndex.open(options.index, rerank=options.rerank)
    result = measure(index, findable(options.questions))
    for group, values in result.items():
        arms = "  ".join(f"{arm} {values[arm]['hit@1']:.2f}/{values[arm]['hit@4']:.2f}" for arm in ARMS)
        print(f"{group:>14} ({values['questions']:>3})  hit@1/hit@4: {arms}")
    encoder = index.encoder_identity.id
    facts = {
        "products": len(index),
        "encoder": Path(encoder).name if Path(encoder).is_dir() else encoder,
        "catalogue_sha256": index.manifest["catalogue"]["sha256"],
    }
    write_result(options.name, facts | result, [options.questions], seed=SEED)


if __name__ == "__main__":
    main()
