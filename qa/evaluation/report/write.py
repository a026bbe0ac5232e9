"""Writes the report: ``report.html`` and ``report.md``."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qa.evaluation.records import Record, Scores
from qa.evaluation.report.content import (
    Table,
    comparison_table,
    difference_table,
    estimate_table,
    extremes,
    focus_of,
    robustness_table,
)
from qa.evaluation.scoring import ScoreTable
from retrieval.errors import MissingExtra

_EXTRA = ("jinja2", "matplotlib")
_HOW = ("command", "took", "python", "versions", "hardware", "seen", "facts")


def check_extra() -> None:
    """Check that the report can be drawn, before anything is measured.

    Raises:
        MissingExtra: It cannot.
    """
    missing = [module for module in _EXTRA if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtra(f"The report needs {' and '.join(missing)}; run: pip install 'product-qa[report]'")


def write_report(
    folder: Path,
    results: Mapping[str, Any],
    tables: Mapping[str, ScoreTable],
    scored: Sequence[tuple[Record, Scores]],
) -> None:
    """Write both forms of the report.

    Args:
        folder: Where.
        results: As in ``results.json``.
        tables: Scores of the main run by arm.
        scored: Every answer with its scores.
    """
    focus = focus_of(results["arms"])
    groups = [estimate_table(results, group) for group in results["groups"]]
    found = (difference_table(results), robustness_table(results), comparison_table(results))
    comparisons = [table for table in found if table is not None]
    how = json.dumps({name: results[name] for name in _HOW}, indent=2, ensure_ascii=False)
    (folder / "report.html").write_text(
        _page(results, tables, groups, comparisons, extremes(scored, focus), how), encoding="utf-8"
    )
    (folder / "report.md").write_text(_markdown(results, groups, comparisons, how), encoding="utf-8")


def _page(
    results: Mapping[str, Any],
    tables: Mapping[str, ScoreTable],
    groups: Sequence[Table],
    comparisons: Sequence[Table],
    examples: tuple[Any, Any],
    how: str,
) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from qa.evaluation.report.plots import all_plots

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    best, worst = examples
    page: str = environment.get_template("page.html.j2").render(
        facts=results["facts"],
        arms=results["arms"],
        plots=all_plots(results, tables),
        groups=groups,
        comparisons=comparisons,
        focus=focus_of(results["arms"]),
        best=best,
        worst=worst,
        how=how,
    )
    return page


def _markdown(results: Mapping[str, Any], groups: Sequence[Table], comparisons: Sequence[Table], how: str) -> str:
    facts = results["facts"]
    arms = Table(
        "Arms",
        ("arm", "what it is", "questions"),
        tuple((name, arm["about"], str(arm["asked"])) for name, arm in results["arms"].items()),
    )
    asked = f"{facts['questions']['count']} questions over {facts['index']['products']:,} products, model "
    asked += f"{facts['model']['id']}, adapter {facts['adapter']['id']}"
    parts = [
        "# Does retrieval help?",
        f"{asked}. In brackets: 95 % bootstrap intervals.",
        *(_section(table) for table in (arms, *groups, *comparisons)),
        f"## How it was run\n\n```json\n{how}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    lines = [_row(table.columns), _row(["---"] * len(table.columns)), *map(_row, table.rows)]
    return f"## {table.title}\n\n" + "\n".join(lines) + (f"\n\n{table.note}" if table.note else "")


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
