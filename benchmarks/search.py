"""How long a search takes, one question at a time: reranked beside plain fusion, over the same questions in one run.

python -m benchmarks.search --index INDEX --questions FILE --name RESULT
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from benchmarks.record import parse_arguments, write_result
from benchmarks.search_quality import findable
from retrieval.index import HybridIndex


def main() -> None:
    options = parse_arguments(__doc__, "questions")
    questions = [question.question for question in findable(options.questions)]
    arms = {"reranked": HybridIndex.open(options.index), "fusion only": HybridIndex.open(options.index, rerank="none")}
    spent: dict[str, list[float]] = {arm: [] for arm in arms}
    for index in arms.values():
        index.search("warm-up")
    for question in questions:  # the arms take turns, so that what else the machine does falls on both
        for arm, index in arms.items():
            began = perf_counter()
            index.search(question)
            spent[arm].append((perf_counter() - began) * 1_000)
    figures = {}
    for arm, milliseconds in spent.items():
        p50, p95 = np.quantile(milliseconds, (0.5, 0.95))
        figures[arm] = {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}
        print(f"{arm:>12}  p50 {p50:.1f} ms  p95 {p95:.1f} ms")
    ratio = round(figures["reranked"]["p50_ms"] / figures["fusion only"]["p50_ms"], 2)
    print(f"reranking costs {ratio} times the time of plain fusion")
    facts = {"products": len(arms["reranked"]), "questions": len(questions), "reranked_to_plain_p50": ratio}
    write_result(options.name, facts | figures, [options.questions])


if __name__ == "__main__":
    main()
