"""The result file of an evaluation: its figures and what they depend on.

Questions, answers and catalogue text stay out of it, unless the whole run may be shown, as that over the sample
catalogue: ``--whole`` keeps its answers beside the figures. The plots that tell how far the confidence can be trusted
are kept beside them, too, as ``NAME-confidence.png``. ``--notebook`` adds the run of an adapter that was trained
by the recipe this project began with, asked alone, as an arm of that name.

python -m qa evaluate --index INDEX --questions FILE --out REPORT
python -m qa evaluate --index INDEX --questions FILE --out NOTEBOOK_REPORT --adapter ADAPTER --arms tuned
python -m benchmarks.answers --report REPORT --notebook NOTEBOOK_REPORT --name RESULT
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS
from qa.evaluation.comparisons import compare_arms
from qa.evaluation.earlier import EarlierRun
from qa.evaluation.figures import FIGURES
from qa.evaluation.groups import EVERYTHING
from qa.evaluation.journal import ANSWERS
from qa.evaluation.report.plots import save_confidence
from retrieval.errors import UsageError

OURS, NOTEBOOK, ASKED_ALONE = "tuned+retrieval", "notebook", "tuned"
_ADAPTER = "adapter"
_ALONE = ("answers_format", "questions", "model", "prompt_version", "seed")
"""What the answers of a model that is asked alone depend on beside its adapter."""


def result_of(run: EarlierRun, notebook: EarlierRun | None = None) -> dict[str, Any]:
    """Return what the result file says of a finished run.

    Args:
        run: What ``qa evaluate`` wrote.
        notebook: A run over the same questions, whose arm ``tuned`` is the notebook's adapter asked alone.

    Raises:
        UsageError: The two runs differ in what a model that is asked alone depends on.
    """
    results = run.results
    kept = ("facts", "took", "python", "versions", "hardware", "groups", "seen", "robustness")
    told = {name: results[name] for name in kept}
    arms, estimates, commands = dict(results["arms"]), list(results["estimates"]), [_shown(run)]
    differences = results["differences"]
    if notebook is not None:
        check_alike(results["facts"], notebook.results["facts"])
        told["notebook_adapter"] = notebook.results["facts"][_ADAPTER]
        arms[NOTEBOOK] = notebook.results["arms"][ASKED_ALONE]
        estimates += [each | {"arm": NOTEBOOK} for each in notebook.results["estimates"] if each["arm"] == ASKED_ALONE]
        commands.append(_shown(notebook))
        tables = run.tables | {NOTEBOOK: notebook.tables[ASKED_ALONE]}
        everything = {EVERYTHING: np.arange(results["facts"]["questions"]["count"])}
        _, found = compare_arms(tables, FIGURES, everything, results["facts"]["seed"], lambda *_: None)
        differences = [each.as_dict() for each in found]  # anew: one more arm is more pairs to correct for
    ours = [each for each in differences if OURS in (each["arm"], each["other"])]
    return {"commands": commands} | told | {"arms": arms, "figures": figures_of(estimates), "differences": ours}


def check_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse to set a model asked alone beside a run over other questions, or of another model.

    Raises:
        UsageError: They differ in that.
    """
    different = [key for key in _ALONE if one[key] != other.get(key)]
    if different:
        raise UsageError(f"The runs differ in {', '.join(different)}; run both with the same.")


def figures_of(estimates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, by group, arm and figure, the value with its interval and what it is a figure of."""
    told: dict[str, Any] = {}
    for each in estimates:
        if each["value"] is not None:
            of_arm = told.setdefault(each["group"], {}).setdefault(each["arm"], {})
            of_arm[each["figure"]] = {
                "value": round(each["value"], 4),
                "interval_95": [round(each["low"], 4), round(each["high"], 4)],
                "n": each["n"],
            }
    return told


def _shown(run: EarlierRun) -> str:
    """Leave out of a command where things lie on this machine."""
    data = os.environ.get("PRODUCT_QA_DATA")
    command: str = run.results["command"].replace(str(run.folder), run.folder.name)
    return command.replace(data, "$PRODUCT_QA_DATA") if data else command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, required=True, help="folder that qa evaluate wrote")
    parser.add_argument("--notebook", type=Path, help="folder of the notebook's run")
    parser.add_argument("--whole", action="store_true", help="keep the answers, too: only of a catalogue of our own")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    run = EarlierRun.read(options.report)
    result = result_of(run, EarlierRun.read(options.notebook) if options.notebook else None)
    path = RESULTS / f"{options.name}.json"
    text = json.dumps(result, indent=1, ensure_ascii=False)
    text = re.sub(r'{\s+"value": [^{}]*}', lambda figure: " ".join(figure[0].split()), text)  # a figure a line
    path.write_text(text + "\n", encoding="utf-8")
    if options.whole:
        shutil.copyfile(options.report / ANSWERS, path.with_suffix(".jsonl"))
    save_confidence(path.with_name(f"{options.name}-confidence.png"), run.tables)


if __name__ == "__main__":
    main()
