"""Result files: figures, and all that is needed to get them again."""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
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

_RESAMPLES = 10_000
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
)


def parse_arguments(description: str | None, data: str) -> argparse.Namespace:
    """Read what every measurement is told: the index, a file of ``data``, the name of the result file."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument(f"--{data}", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the result file")
    return parser.parse_args()


def bootstrap_interval(values: Sequence[float], seed: int) -> list[float]:
    """Return the 95 % percentile interval of the mean over 10,000 resamples (Efron & Tibshirani, 1993)."""
    random = np.random.default_rng(seed)
    means = random.choice(np.asarray(values, dtype=float), (_RESAMPLES, len(values))).mean(axis=1)
    return [round(float(edge), 4) for edge in np.quantile(means, (0.025, 0.975))]


def write_result(name: str, figures: dict[str, Any], data: list[Path], seed: int | None = None) -> Path:
    """Write figures with command, data hashes, seed, versions and hardware; return the file."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    command = shlex.join(["python", "-m", sys.modules["__main__"].__spec__.name, *map(_shown, sys.argv[1:])])
    facts = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "data": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in data},
        "seed": seed,
        "versions": {library: importlib.metadata.version(library) for library in _LIBRARIES},
        "python": platform.python_version(),
        "hardware": {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "memory_gib": _memory_gib()},
    }
    path.write_text(json.dumps(facts | {"figures": figures}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}", file=sys.stderr)
    return path


def _shown(argument: str) -> str:
    """Name a file of development data by its variable, not by where it lies on this machine."""
    folder = os.environ.get("PRODUCT_QA_DATA")
    return argument.replace(folder, "$PRODUCT_QA_DATA") if folder else argument


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
