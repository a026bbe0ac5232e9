"""How many of the facts read out of descriptions are right, judged one by one.

Draw facts into a work file, read each against its listing, note one JSON line each: ``{"number": 1, "right": true}`` or
``{"number": 2, "right": false, "error": "a part's length taken for the product's"}``. Then compute:

python -m benchmarks.fact_precision --index INDEX --seed SEED --count 200 --out FILE
python -m benchmarks.fact_precision --index INDEX --seed SEED --count 200 --judgements FILE --judged-by TEXT
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks.record import write_result
from finetune.facts import Fact, facts_of, unsaid_attributes
from retrieval.index import HybridIndex
from retrieval.schema import Product


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson, "Probable inference", JASA 1927)."""
    interval = binomtest(right, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def draw(facts: list[tuple[Product, Fact]], seed: int, count: int) -> list[tuple[Product, Fact, str]]:
    """Draw facts, each with one of its questions about the product."""
    rng = random.Random(seed)
    drawn = rng.sample(facts, count)
    return [(p, fact, rng.choice(fact.questions).format(product=p.title)) for p, fact in drawn]


def figures_of(drawn: list[tuple[Product, Fact, str]], judgements: Path) -> dict[str, Any]:
    """Compute precision from one judgement for each fact drawn."""
    rows = [json.loads(line) for line in judgements.read_text(encoding="utf-8").splitlines() if line.strip()]
    judged = {row["number"]: row for row in rows}
    if len(rows) != len(judged) or judged.keys() != set(range(1, len(drawn) + 1)):
        raise SystemExit(f"{judgements} must judge each of the facts 1 to {len(drawn)} exactly once.")
    by_attribute: dict[str, Counter[str]] = {}
    for number, (_, fact, _) in enumerate(drawn, start=1):
        by_attribute.setdefault(fact.attribute, Counter())["right" if judged[number]["right"] else "wrong"] += 1
    right = sum(counts["right"] for counts in by_attribute.values())
    return {
        "judged": len(drawn),
        "right": right,
        "wrong": len(drawn) - right,
        "precision": round(right / len(drawn), 4),
        "interval_95": [round(bound, 4) for bound in wilson_interval(right, len(drawn))],
        "errors": dict(Counter(row["error"] for row in rows if not row["right"]).most_common()),
        "by_attribute": {name: dict(counts) for name, counts in sorted(by_attribute.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="facts to draw")
    parser.add_argument("--out", type=Path, help="where the drawn facts are written, with their listings")
    parser.add_argument("--judgements", type=Path, help="JSON lines: number, right, error")
    parser.add_argument("--judged-by", metavar="TEXT", help="who read the facts, and how; goes with --judgements")
    parser.add_argument("--name", default="fact-precision", help="name of the result file")
    options = parser.parse_args()
    if bool(options.judgements) != bool(options.judged_by):
        parser.error("--judgements and --judged-by go together")
    products = list(HybridIndex.open(options.index, rerank="none").catalogue)
    started = time.process_time()
    found = [facts_of(product) for product in products]
    seconds = time.process_time() - started
    facts = [(product, fact) for product, its in zip(products, found, strict=True) for fact in its]
    drawn = draw(facts, options.seed, options.count)
    if options.out:
        with options.out.open("w", encoding="utf-8") as out:
            for number, (product, fact, question) in enumerate(drawn, start=1):
                row = {"number": number, "attribute": fact.attribute, "question": question, "answer": fact.answer}
                row |= {"evidence": fact.evidence, "title": product.title, "content": product.content}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if options.judgements:
        unsaid = [len(unsaid_attributes(product)) for product in products]
        figures = {
            "judged_by": options.judged_by,
            **figures_of(drawn, options.judgements),
            "products": len(products),
            "products_with_a_fact": round(sum(map(bool, found)) / len(products), 4),
            "facts": len(facts),
            "facts_per_product": round(len(facts) / len(products), 3),
            "facts_by_attribute": dict(Counter(fact.attribute for _, fact in facts).most_common()),
            "products_with_an_unsaid_attribute": round(sum(map(bool, unsaid)) / len(products), 4),
            "unsaid_attributes_per_product": round(sum(unsaid) / len(products), 3),
            "products_per_second": round(len(products) / seconds),
        }
        write_result(options.name, figures, [options.judgements, options.index / "manifest.json"], options.seed)


if __name__ == "__main__":
    main()
