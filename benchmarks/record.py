"""Result files: figures, and all that is needed to get them again."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from qa.evaluation.resampling import interval, resample_weights
from retrieval.machine import memory, processor, versions_of

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = (
    "product-qa",
    "torch",
    "transformers",
    "sentence-transformers",
    "peft",
    "trl",
    "faiss-cpu",
    "tantivy",
    "rank-bm25",
    "numpy",
    "openvino",
    "xllamacpp",
)


def parse_arguments(description: str | None, data: str, **defaults: str) -> argparse.Namespace:
    """Read what every measurement is told: the index, a file of ``data``, the name of the result file, and defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument(f"--{data}", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the result file")
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


def bootstrap_interval(values: Sequence[float], seed: int) -> list[float]:
    """Return the 95 % bootstrap interval of a mean."""
    means = resample_weights(len(values), seed) @ np.asarray(values, dtype=float) / len(values)
    return [round(edge, 4) for edge in interval(means)]


def write_result(name: str, figures: dict[str, Any], data: list[Path], seed: int | None = None) -> Path:
    """Write figures with command, data hashes, seed, versions and hardware; return the file."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    command = shlex.join(
        ["python", "-m", sys.modules["__main__"].__spec__.name.removesuffix(".__main__"), *map(_shown, sys.argv[1:])]
    )
    facts = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "data": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in data},
        "seed": seed,
        "versions": versions_of(_LIBRARIES),
        "python": platform.python_version(),
        "hardware": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory() / 2**30),
        },
    }
    path.write_text(json.dumps(facts | {"figures": figures}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}", file=sys.stderr)
    return path


def _shown(argument: str) -> str:
    """Name a file of development data by its variable, not by where it lies on this machine."""
    folder = os.environ.get("PRODUCT_QA_DATA")
    return argument.replace(folder, "$PRODUCT_QA_DATA") if folder else argument
