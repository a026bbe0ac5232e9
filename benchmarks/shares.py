"""How many of the questions that have no answer should become training rows: adapters that differ in nothing else.

For each share, with ``unanswerable`` and ``absent`` of ``[keep]`` in a copy of finetune/configs/rows.toml set to it:

python -m finetune prepare --config ROWS.toml --index INDEX --questions FILE --out ROWS
python -m finetune train --config finetune/configs/cpu-smollm2.toml --rows ROWS --out ADAPTER --max-steps 64
python -m qa evaluate --index INDEX --questions QUESTIONS --adapter ADAPTER --arms tuned+free --out REPORT
python -m benchmarks.shares --run ADAPTER REPORT --run ADAPTER REPORT --questions QUESTIONS --name RESULT
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.answers import check_alike, figures_of
from benchmarks.record import write_result
from qa.evaluation.earlier import EarlierRun
from retrieval.models import RUN_FILE

ARM = "tuned+free"
GROUPS = ("all", "kind=fact", "kind=identify", "kind=unanswerable", "kind=absent")
FIGURES = ("token_f1", "evidence_whole", "semantic_precision", "status_accuracy", "refusal_recall", "coverage")


def told(adapter: Path, run: EarlierRun) -> dict[str, Any]:
    """Return what an adapter was trained on, and what became of it."""
    trained = json.loads((adapter / RUN_FILE).read_text(encoding="utf-8"))
    figures = figures_of(run.results["estimates"])
    return {
        "keep": trained["rows"]["facts"]["config"]["keep"],
        "rows": trained["rows"]["facts"]["counts"]["train"]["target"],
        "steps": trained["steps"],
        "seed": trained["seed"],
        "tokens": trained["resources"]["tokens"],
        "figures": {
            group: {name: found for name, found in figures[group][ARM].items() if name in FIGURES} for group in GROUPS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs=2, type=Path, action="append", required=True, metavar=("ADAPTER", "REPORT"))
    parser.add_argument("--questions", type=Path, required=True, help="the questions of the reports")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    runs = [(adapter, EarlierRun.read(report)) for adapter, report in options.run]
    for _, run in runs[1:]:
        check_alike(runs[0][1].results["facts"], run.results["facts"])
    write_result(options.name, {"arm": ARM, "runs": [told(*each) for each in runs]}, [options.questions])


if __name__ == "__main__":
    main()
