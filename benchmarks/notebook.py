"""Rows for the experiment this project began with: titles and their descriptions as conversations, no retrieval.

They begin with the very system prompt that a model is asked alone with, so that the adapter is measured as it was
trained.

python -m benchmarks.notebook --index INDEX --count 480 --out FOLDER
python -m finetune train --config finetune/configs/notebook.toml --rows FOLDER --out ADAPTER
python -m qa evaluate --index INDEX --questions FILE --adapter ADAPTER --arms tuned --out REPORT
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from retrieval.index import HybridIndex
from retrieval.prompt import build_messages
from retrieval.schema import Product

SEED = 3407
WORDS = 120
"""Words of a description that are learned: an answer has no room for more."""


def row_of(product: Product) -> dict[str, list[dict[str, str]]]:
    """Return a product as a conversation of a system prompt, a question and its description."""
    system, user = build_messages(f"What is {product.title}?", None)
    return {
        "conversations": [
            {"from": "system", "value": system["content"]},
            {"from": "human", "value": user["content"]},
            {"from": "gpt", "value": " ".join(product.content.split()[:WORDS])},
        ]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--count", type=int, default=480, help="rows; 60 steps of 8 see 480")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows")
    options = parser.parse_args()
    products = list(HybridIndex.open(options.index, rerank="none").catalogue)
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "train.jsonl").open("w", encoding="utf-8") as lines:
        for product in random.Random(SEED).sample(products, options.count):
            lines.write(json.dumps(row_of(product), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
