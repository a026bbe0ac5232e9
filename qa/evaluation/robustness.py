"""How figures fall as fewer words are asked with, and as other numbers of products are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from qa.evaluation.arms import Arm
from qa.evaluation.comparisons import estimate
from qa.evaluation.conditions import PRODUCTS_LOOKED_AT, Condition
from qa.evaluation.figures import FIGURES
from qa.evaluation.groups import EVERYTHING
from qa.evaluation.records import AS_ASKED
from qa.evaluation.scoring import ScoreTable


def curves(
    tables: Mapping[str, Mapping[str, ScoreTable]],
    arms: Mapping[str, Arm],
    conditions: Sequence[Condition],
    usual: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Return the points of the robustness curves.

    Args:
        tables: Scores by condition and arm.
        arms: The arms; those that search have curves.
        conditions: The conditions that were asked under beside the main run.
        usual: Products shown in the main run.
        seed: Seed of the resampling.

    Returns:
        One dictionary a point: curve, at, and an estimate; by curve, arm, figure and place.
    """
    searching = [name for name, arm in arms.items() if arm.searches]
    points = []
    for curve in dict.fromkeys(condition.curve for condition in conditions):
        at = {condition.at: condition.name for condition in conditions if condition.curve == curve}
        at[float(usual) if curve == PRODUCTS_LOOKED_AT else 0.0] = AS_ASKED
        for name, figure, place in product(searching, FIGURES, sorted(at)):
            table = tables[at[place]][name]
            found = estimate(EVERYTHING, name, figure, table, np.flatnonzero(table.asked), seed)
            points.append({"curve": curve, "at": place} | found.as_dict())
    return points
