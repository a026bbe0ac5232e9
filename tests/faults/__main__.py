"""Kill builds and updates at random moments, fill the disk, change bytes: afterwards the old or the new index is whole.

    python -m tests.faults --kills 200 --seed 0

Writes benchmarks/results/faults.json. A test runs a short form of it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from tests.faults import disk
from tests.faults.kills import KINDS, Case, Killed, kill, prepare

_LARGEST_FILES = (100, 1_000, 3_000, 10_000, 30_000, 100_000)
_DISKS = (5_000, 20_000, 50_000, 100_000, 200_000, 400_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        made = {kind: prepare(Path(folder), kind) for kind in KINDS}
        figures = {
            "flipped bits, by what was told": dict(sum((_flips(case, rng) for case in made.values()), Counter())),
            "limits of file size": _full(made, disk.fill_file, _LARGEST_FILES),
            "two builders": [disk.two_builders(made[kind]) for kind in ("build", "update")],
            "read-only folder": disk.deny(made["update"]),
            "kills": _kills([made[KINDS[n % len(KINDS)]] for n in range(options.kills)], rng),
        }
        if disk.small_disks_can_be_had():
            figures["full disks"] = _full(made, disk.fill_disk, _DISKS)
    write_result("faults", _without_paths(figures, folder), [], options.seed)


def _flips(case: Case, rng: random.Random) -> Counter[str]:
    return disk.flip(case.job.folder, rng, 10)


def _full(made: dict[str, Case], fill: Any, sizes: tuple[int, ...]) -> dict[str, int]:
    told = [fill(case, size) for case in made.values() for size in sizes]
    _say(f"{fill.__name__}: {len(told)}")
    return {"done": told.count(""), "told, and done by the same command with more room": sum(map(bool, told))}


def _kills(cases: list[Case], rng: random.Random) -> dict[str, Any]:
    seen: list[Killed] = []
    for case in cases:
        seen.append(kill(case, rng))
        _say(f"{len(seen)}: {seen[-1]}")
    by_moment = Counter(f"{one.case}, {one.moment}: {one.outcome}" for one in seen)
    return {
        "count": len(seen),
        "what was in force afterwards": dict(Counter(one.outcome for one in seen)),
        "next run went on": sum(one.resumed for one in seen),
        "a finished shard was encoded again": sum(one.encoded_again for one in seen),
        "next run made other files or answers": 0,
        "by case, moment and outcome": dict(sorted(by_moment.items())),
    }


def _without_paths(figures: Any, folder: str) -> Any:
    if isinstance(figures, dict):
        return {name: _without_paths(value, folder) for name, value in figures.items()}
    if isinstance(figures, list):
        return [_without_paths(value, folder) for value in figures]
    return figures.replace(folder, "…") if isinstance(figures, str) else figures


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
