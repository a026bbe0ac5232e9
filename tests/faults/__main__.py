"""Kill builds and updates at random moments, fill the disk, change bytes: afterwards the old or the new index is whole.

    python -m tests.faults --kills 200 --seed 0

Writes benchmarks/results/faults.json, if nothing is found that must not be: no whole index, another result of the
next run, an error that is not told. The tests beside it are a short form.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from tests.faults import disk
from tests.faults.kills import KINDS, Killed, kill, prepare

_LARGEST_FILES = (100, 1_000, 3_000, 10_000, 30_000, 100_000)
_FLIPS_A_FILE = 4
_DISKS = (5_000, 20_000, 50_000, 100_000, 200_000, 400_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="kinds of work that are tried at the same time")
    options = parser.parse_args()
    counts = {kind: len(range(number, options.kills, len(KINDS))) for number, kind in enumerate(KINDS)}
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        tried = [pool.submit(_try, Path(folder), kind, counts[kind], options.seed) for kind in KINDS]
        figures = _together([one.result() for one in tried])
    write_result("faults", _without_paths(figures), [], options.seed)


@dataclass
class Tried:
    """What was found of one kind of work."""

    kills: list[Killed]
    flips: Counter[str]
    small_files: list[str]
    small_disks: list[str]
    two_builders: str
    read_only: str


def _try(folder: Path, kind: str, kills: int, seed: int) -> Tried:
    rng = random.Random(f"{seed} {kind}")
    case = prepare(folder, kind)
    flips = disk.flip(case.job.folder, rng, _FLIPS_A_FILE)
    disks = _DISKS if disk.small_disks_can_be_had() else ()
    seen = []
    for _ in range(kills):
        seen.append(kill(case, rng))
        print(seen[-1], file=sys.stderr, flush=True)
    return Tried(
        seen,
        flips,
        [disk.fill_file(case, size) for size in _LARGEST_FILES],
        [disk.fill_disk(case, size) for size in disks],
        disk.two_builders(case) if kind != "compact" else "",
        disk.deny(case),
    )


def _together(tried: list[Tried]) -> dict[str, Any]:
    kills = [one for each in tried for one in each.kills]
    by_moment = Counter(f"{one.case}, {one.moment}: {one.outcome}" for one in kills)
    return {
        "kills": {
            "count": len(kills),
            "what was in force afterwards": dict(Counter(one.outcome for one in kills)),
            "next run said that it goes on": sum(one.resumed for one in kills),
            "a finished shard was encoded again": sum(one.encoded_again for one in kills),
            "by case, moment and outcome": dict(sorted(by_moment.items())),
        },
        "flipped bits, by what was told": dict(sum((each.flips for each in tried), Counter())),
        "limits of file size": _counted([told for each in tried for told in each.small_files]),
        "full disks": _counted([told for each in tried for told in each.small_disks]),
        "two builders": sorted({each.two_builders for each in tried if each.two_builders}),
        "read-only folder": sorted({each.read_only for each in tried}),
    }


def _counted(told: list[str]) -> dict[str, int]:
    return {"there was room": told.count(""), "told, then done by the same command": len(told) - told.count("")}


def _without_paths(figures: Any) -> Any:
    return json.loads(re.sub(r"[^ \"]*/faults-\w+", "…", json.dumps(figures)))


if __name__ == "__main__":
    main()
