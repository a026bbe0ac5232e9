"""The result file of an evaluation: its figures and what they depend on, without questions, answers or catalogue text.

python -m qa evaluate --index INDEX --questions FILE --out REPORT
python -m benchmarks.answers --report REPORT --name RESULT
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS

GROUPS = ("all", "kind=fact", "kind=identify", "kind=unanswerable", "kind=absent", "kind=ambiguous")


def figures_of(results: dict[str, Any]) -> dict[str, Any]:
    """Return, by group, arm and figure, the value with its interval and what it is a figure of."""
    told: dict[str, Any] = {}
    for each in results["estimates"]:
        if each["group"] in GROUPS and each["value"] is not None:
            of_arm = told.setdefault(each["group"], {}).setdefault(each["arm"], {})
            of_arm[each["figure"]] = {
                "value": round(each["value"], 4),
                "interval_95": [round(each["low"], 4), round(each["high"], 4)],
                "n": each["n"],
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, required=True, help="folder that qa evaluate wrote")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    results = json.loads((options.report / "results.json").read_text(encoding="utf-8"))
    data = os.environ.get("PRODUCT_QA_DATA")
    command = results["command"].replace(str(options.report), "report")
    command = command.replace(data, "$PRODUCT_QA_DATA") if data else command
    facts = {name: results[name] for name in ("facts", "python", "versions", "hardware", "arms")}
    differences = [each for each in results["differences"] if "tuned+retrieval" in (each["arm"], each["other"])]
    written = {"command": command} | facts | {"figures": figures_of(results), "differences": differences}
    path = RESULTS / f"{options.name}.json"
    path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
