"""The plots, as data URIs of SVG images; those of the confidence as a PNG file, too."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qa.evaluation.errors import EvaluationError
from qa.evaluation.figures import FIGURES
from qa.evaluation.groups import EVERYTHING
from qa.evaluation.report.content import FOLLOWED, HEADLINES
from qa.evaluation.scoring import ScoreTable
from qa.evaluation.weighted import CALIBRATION_BINS, calibration_bins, coverage_risk_curve

Plot = tuple[str, str]
"""What it shows, and its data URI."""
Paint = Callable[[Any], None]
"""Draws on the axes of matplotlib."""
_WIDTH, _HEIGHT = 4.6, 3.2
_STYLE: dict[str, Any] = {"svg.hashsalt": "product-qa", "font.size": 9}
_LABELS = {figure.name: figure.label for figure in FIGURES}


def all_plots(results: Mapping[str, Any], tables: Mapping[str, ScoreTable]) -> list[Plot]:
    """Draw everything there is something to draw for.

    Args:
        results: As in ``results.json``.
        tables: Scores by arm.
    """
    height = 0.6 + 0.28 * len(results["arms"])
    plots = [(f"{_LABELS[name]}, with 95 % intervals", _draw(_intervals(results, name), height)) for name in HEADLINES]
    plots += [(title, _draw(paint)) for title, paint in _of_confidence(tables)]
    followed = [point for point in results["robustness"] if point["figure"] in FOLLOWED]
    shown = dict.fromkeys((point["curve"], point["figure"]) for point in followed)
    plots += [(f"{_LABELS[figure]} by {curve}", _draw(_curve(results, curve, figure))) for curve, figure in shown]
    return plots


def save_confidence(path: Path, tables: Mapping[str, ScoreTable]) -> None:
    """Draw the coverage-risk curves and the reliability diagram side by side into a PNG file.

    Args:
        path: The file.
        tables: Scores by arm.

    Raises:
        EvaluationError: No arm states its confidence.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    plots = _of_confidence(tables)
    if not plots:
        raise EvaluationError(f"None of the arms {', '.join(tables)} states its confidence; there is nothing to draw.")
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH * len(plots), _HEIGHT), layout="constrained")
        for axes, (title, paint) in zip(figure.subplots(1, len(plots)), plots, strict=True):
            paint(axes)
            axes.set_title(title)
        figure.savefig(path, dpi=80, metadata={"Software": None})


def _draw(paint: Paint, height: float = _HEIGHT) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        paint(figure.add_subplot())
        image = io.BytesIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(image.getvalue()).decode()}"


def _intervals(results: Mapping[str, Any], name: str) -> Paint:
    def paint(axes: Any) -> None:
        found = [each for each in results["estimates"] if (each["group"], each["figure"]) == (EVERYTHING, name)]
        found = [each for each in reversed(found) if each["value"] is not None]
        values = [each["value"] for each in found]
        reach = [[each["value"] - each["low"] for each in found], [each["high"] - each["value"] for each in found]]
        axes.errorbar(values, range(len(found)), xerr=np.maximum(reach, 0.0), fmt="o", capsize=3)
        axes.set(yticks=range(len(found)), yticklabels=[each["arm"] for each in found], xlim=(-0.02, 1.02))
        axes.margins(y=0.5 / max(1, len(found)))
        axes.grid(axis="x", alpha=0.3)

    return paint


def _coverage_and_risk(confident: Mapping[str, Any], asked: Mapping[str, int]) -> Paint:
    def paint(axes: Any) -> None:
        for arm, (confidence, risk) in confident.items():
            axes.step(*coverage_risk_curve(confidence, risk, asked[arm]), where="post", label=arm)
        axes.set(xlabel="coverage (share of questions answered)", ylabel="risk", xlim=(0, 1.02), ylim=(-0.02, 1.02))
        axes.legend(frameon=False, fontsize=7)

    return paint


def _reliability(confident: Mapping[str, Any]) -> Paint:
    def paint(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
        for arm, (confidence, risk) in confident.items():
            bins = calibration_bins(confidence)
            filled = [each for each in range(CALIBRATION_BINS) if (bins == each).any()]
            said = [confidence[bins == each].mean() for each in filled]
            right = [1 - risk[bins == each].mean() for each in filled]
            axes.plot(said, right, marker="o", markersize=3, label=arm)
        axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1.02), ylim=(-0.02, 1.02))
        axes.legend(frameon=False, fontsize=7)

    return paint


def _curve(results: Mapping[str, Any], curve: str, figure: str) -> Paint:
    def paint(axes: Any) -> None:
        points = [each for each in results["robustness"] if (each["curve"], each["figure"]) == (curve, figure)]
        points = [each for each in points if each["value"] is not None]
        for arm in dict.fromkeys(each["arm"] for each in points):
            own = [each for each in points if each["arm"] == arm]
            places = [each["at"] for each in own]
            (line,) = axes.plot(places, [each["value"] for each in own], marker="o", markersize=3, label=arm)
            lows, highs = [each["low"] for each in own], [each["high"] for each in own]
            axes.fill_between(places, lows, highs, alpha=0.12, color=line.get_color())
        axes.set(
            xlabel=curve, ylabel=_LABELS[figure], xticks=sorted({each["at"] for each in points}), ylim=(-0.02, 1.02)
        )
        axes.legend(frameon=False, fontsize=7)

    return paint


def _of_confidence(tables: Mapping[str, ScoreTable]) -> list[tuple[str, Paint]]:
    """Return what tells how far the confidence can be trusted; nothing where no arm states one."""
    confident = {arm: pair for arm, table in tables.items() if len((pair := _confidence_and_risk(table))[0])}
    if not confident:
        return []
    asked = {arm: int(tables[arm].asked.sum()) for arm in confident}
    return [
        ("Coverage and risk of the answers given", _coverage_and_risk(confident, asked)),
        ("Reliability of the confidence", _reliability(confident)),
    ]


def _confidence_and_risk(table: ScoreTable) -> tuple[Any, Any]:
    both = table.columns(("confidence", "risk"))
    both = both[~np.isnan(both).any(axis=1)]
    return both[:, 0], both[:, 1]
