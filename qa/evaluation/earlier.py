"""An earlier run, set beside this one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qa.evaluation.comparisons import Sample, difference
from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import FIGURES
from qa.evaluation.groups import EVERYTHING
from qa.evaluation.journal import ANSWERS
from qa.evaluation.records import AS_ASKED
from qa.evaluation.scoring import ScoreTable
from retrieval.errors import UsageError, nearest_path

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A finished run.

    Attributes:
        folder: Where it is kept.
        results: Its ``results.json``.
        tables: Its scores by arm.
    """

    folder: Path
    results: dict[str, Any]
    tables: dict[str, ScoreTable]

    @classmethod
    def read(cls, folder: Path) -> EarlierRun:
        """Read a finished run.

        Raises:
            UsageError: There is none in that folder.
            EvaluationError: Its answers have no scores.
        """
        for path in (folder / RESULTS, folder / ANSWERS):
            if not path.is_file():
                raise UsageError(f"No finished evaluation at {path}{nearest_path(path)}.")
        results = json.loads((folder / RESULTS).read_bytes())
        rows = [json.loads(line) for line in (folder / ANSWERS).read_bytes().splitlines()]
        if any("scores" not in row for row in rows):
            raise EvaluationError(f"The evaluation at {folder} is being written; compare with it when it is finished.")
        questions = results["facts"]["questions"]["count"]
        tables = {}
        for arm in results["arms"]:
            own = [row for row in rows if row["arm"] == arm and row["condition"] == AS_ASKED]
            tables[arm] = ScoreTable([row["number"] for row in own], [row["scores"] for row in own], questions)
        return cls(folder, results, tables)

    def beside(
        self,
        tables: Mapping[str, ScoreTable],
        facts: Mapping[str, Any],
        estimates: Sequence[Mapping[str, Any]],
        seed: int,
    ) -> dict[str, Any]:
        """Set the figures of the arms that both runs have side by side.

        Args:
            tables: This run's scores by arm.
            facts: This run's facts.
            estimates: This run's estimates.
            seed: Seed of the resampling.

        Returns:
            The facts that differ, and a row for each arm and figure: both estimates, and, where both runs asked the
            same questions, the difference between them, paired by question.

        Raises:
            UsageError: The runs have no arm in common.
        """
        common = [arm for arm in tables if arm in self.tables]
        if not common:
            raise UsageError(f"The evaluation at {self.folder} has none of the arms {', '.join(tables)}.")
        theirs = self.results["facts"]
        changed = {key: [theirs.get(key), facts.get(key)] for key in facts if facts.get(key) != theirs.get(key)}
        here, there = _by_arm_and_figure(estimates), _by_arm_and_figure(self.results["estimates"])
        rows: list[dict[str, Any]] = []
        for arm in common:
            for figure in (figure for figure in FIGURES if (arm, figure.name) in there):
                key = (arm, figure.name)
                row = {"arm": arm, "figure": figure.name, "there": there[key], "here": here[key], "difference": None}
                both = np.flatnonzero(tables[arm].asked)
                if "questions" not in changed and np.array_equal(tables[arm].asked, self.tables[arm].asked):
                    samples = Sample(tables[arm], figure, both, seed), Sample(self.tables[arm], figure, both, seed)
                    if samples[0].n and samples[1].n:
                        found = difference(EVERYTHING, figure, "here", "there", samples, len(both), None)
                        row["difference"] = {"value": found.value, "low": found.low, "high": found.high, "p": found.p}
                rows.append(row)
        return {"with": self.folder.name, "changed": changed, "rows": rows}


def _by_arm_and_figure(estimates: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["arm"], each["figure"]): dict(each) for each in estimates if each["group"] == EVERYTHING}
