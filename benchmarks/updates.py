"""How long an update of some thousand rows takes, and how near its search is to that of the compacted index.

    python -m benchmarks.updates --index indexes/full --questions indexes/sample/questions.jsonl --name updates-full

Of the changes eight tenths are changed titles, one tenth are new rows, one tenth are removed ones. The index itself is
left as it is: a copy is updated, and compacted afterwards.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import parse_arguments, write_result
from retrieval.index import HybridIndex
from retrieval.question_file import read_questions
from retrieval.update import compact_index, update_index

CHANGES = 10_000
SEED = 0
DEPTH = 10


def main() -> None:
    options = parse_arguments(__doc__, "questions")
    questions = [question.question for question in read_questions(options.questions)]
    with tempfile.TemporaryDirectory(dir=options.index.parent) as name:
        folder = Path(name) / "index"
        shutil.copytree(options.index, folder)
        index = HybridIndex.open(folder)
        add, remove = _changes(index, Path(name) / "changes.json")
        figures: dict[str, Any] = {"products": len(index), "dense": index.manifest["dense"]["method"]}
        index.encoder.encode_queries(["loaded"])
        (updated, done), figures["update"] = _measured(
            lambda: update_index(folder, add=[add], remove=remove, encoder=index.encoder)
        )
        figures["update"] |= {key: done[key] for key in ("added", "changed", "removed", "encoded")}
        before = _found(updated, questions)
        compacted, figures["compact"] = _measured(lambda: compact_index(folder, encoder=index.encoder))
        after = _found(compacted, questions)
        common = [len(set(a) & set(b)) / max(1, len(b)) for a, b in zip(before, after, strict=True)]
        figures["compact"] |= {
            f"shared of the first {DEPTH} hits": round(sum(common) / len(common), 4),
            "same first hit": round(sum(a[:1] == b[:1] for a, b in zip(before, after, strict=True)) / len(after), 4),
        }
    write_result(options.name, figures, [options.questions], SEED)


def _changes(index: HybridIndex, path: Path) -> tuple[Path, list[str]]:
    """Write changed and new rows to a file; return it, and the uids to remove."""
    drawn = random.Random(SEED).sample(range(len(index)), min(CHANGES, len(index) // 2))
    changed, added = len(drawn) * 8 // 10, len(drawn) * 9 // 10
    with path.open("w", encoding="utf-8") as lines:
        for number, row in enumerate(drawn[:added]):
            product = index.catalogue[row]
            is_new = number >= changed
            uid = f"NEW-{number}" if is_new else product.uid
            title = f"{product.title} II" if is_new else f"New {product.title}"
            lines.write(json.dumps({"uid": uid, "title": title, "content": product.content}) + "\n")
    return path, [index.catalogue[row].uid for row in drawn[added:]]


def _found(index: HybridIndex, questions: list[str]) -> list[list[str]]:
    return [[hit.product.uid for hit in hits] for hits in index.search_batch(questions, DEPTH)]


def _measured(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    made = run()
    return made, {
        "seconds": round(time.perf_counter() - wall, 1),
        "processor seconds": round(time.process_time() - cpu, 1),
        "peak resident so far, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


if __name__ == "__main__":
    main()
