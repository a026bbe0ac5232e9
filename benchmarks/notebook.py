"""Rows for the experiment this project began with: titles and their descriptions as conversations, no retrieval.

python -m benchmarks.notebook --index INDEX --count 480 --out FOLDER
python -m finetune train --config finetune/configs/notebook.toml --rows FOLDER --out ADAPTER
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from retrieval.index import HybridIndex

SEED = 3407
WORDS = 120
"""Words of a description that are learned: an answer has no room for more."""


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
            turns = [
                {"from": "human", "value": f"What is {product.title}?"},
                {"from": "gpt", "value": " ".join(product.content.split()[:WORDS])},
            ]
            lines.write(json.dumps({"conversations": turns}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
