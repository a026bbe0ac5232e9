"""What both forms of the report say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from qa.evaluation.figures import FIGURES, Figure
from qa.evaluation.groups import EVERYTHING
from qa.evaluation.records import AS_ASKED, Record, Scores

HEADLINES = ("correct", "status_accuracy", "right_product", "evidence_recall", "token_f1", "groundedness")
FOLLOWED = ("correct", "status_accuracy", "evidence_recall", "hit@1")
"""Of the robustness curves, the figures that are drawn."""
EXTREMES = 10
NONE = "–"
_JUDGED_BY = ("correct", "right_product", "evidence_recall", "token_f1", "groundedness")
_FOCUS = "tuned+retrieval"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as strings: a heading, its columns, its rows, and what stands below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and what every arm made of it."""

    question: str
    about: str
    reference: str
    answers: tuple[tuple[str, str, str, str], ...]
    """Arm, status, text, sources."""


def focus_of(arms: Iterable[str]) -> str:
    """Return the arm that the others are compared with: tuned, with retrieval, or else the first."""
    names = list(arms)
    return _FOCUS if _FOCUS in names else names[0]


def estimate_table(results: Mapping[str, Any], group: str) -> Table:
    """Return every figure of every arm over a group of questions, and why some are not there."""
    arms = list(results["arms"])
    found = {(each["figure"], each["arm"]): each for each in results["estimates"] if each["group"] == group}
    rows = [(_label(figure), *(spread(found[figure.name, arm]) for arm in arms)) for figure in FIGURES]
    absent = [row for row in rows if set(row[1:]) == {NONE}]
    note = "".join(f"{row[0]}: not there, {_reason(found, row[0], arms)}. " for row in absent)
    partly = [row for row in rows if NONE in row[1:] and row not in absent]
    note += "".join(f"{row[0]}: {NONE} where {_reason(found, row[0], arms)}. " for row in partly)
    title = "All questions" if group == EVERYTHING else group
    kept = tuple(row for row in rows if row not in absent)
    return Table(f"{title} ({results['groups'][group]})", ("figure", *arms), kept, note.strip())


def difference_table(results: Mapping[str, Any]) -> Table:
    """Return the differences between the arm in focus and the others, over all questions."""
    focus = focus_of(results["arms"])
    labels = {figure.name: _label(figure) for figure in FIGURES}
    rows = []
    for each in results["differences"]:
        if focus not in (each["arm"], each["other"]):
            continue
        turned = each["other"] == focus
        low, high = (-each["high"], -each["low"]) if turned else (each["low"], each["high"])
        value = -each["value"] if turned else each["value"]
        points = [each["wins"], each["ties"], each["losses"]][:: -1 if turned else 1]
        told = NONE if points[0] is None else " / ".join(map(str, points))
        other = each["arm"] if turned else each["other"]
        cells = (number(value, signed=True), f"{number(low)} to {number(high)}", p_value(each["p_holm"]), told)
        rows.append((labels[each["figure"]], other, *cells, str(each["n"])))
    columns = ("figure", f"{focus} less", "difference", "95 % interval", "p (Holm)", "win / tie / loss", "n")
    return Table(f"{focus} and the other arms", columns, tuple(rows))


def comparison_table(results: Mapping[str, Any]) -> Table | None:
    """Return this run beside the earlier one; None where there is none."""
    comparison = results["comparison"]
    if comparison is None:
        return None
    labels = {figure.name: _label(figure) for figure in FIGURES}
    rows = []
    for row in comparison["rows"]:
        gap = row["difference"]
        told = f"{number(gap['value'], signed=True)} ({number(gap['low'])} to {number(gap['high'])})" if gap else NONE
        rows.append((row["arm"], labels[row["figure"]], spread(row["there"]), spread(row["here"]), told))
    changed = ", ".join(comparison["changed"]) or "nothing"
    columns = ("arm", "figure", comparison["with"], "this run", "difference")
    return Table(f"Beside {comparison['with']}", columns, tuple(rows), f"Of the facts of the runs differs: {changed}.")


def robustness_table(results: Mapping[str, Any]) -> Table | None:
    """Return the points of the robustness curves that are drawn; None where they were not measured."""
    if not results["robustness"]:
        return None
    labels = {figure.name: _label(figure) for figure in FIGURES}
    rows = tuple(
        (point["curve"], f"{point['at']:g}", point["arm"], labels[point["figure"]], spread(point))
        for point in results["robustness"]
        if point["figure"] in FOLLOWED
    )
    note = "All other figures: results.json."
    return Table("Robustness", ("curve", "at", "arm", "figure", "value"), rows, note)


def extremes(scored: Sequence[tuple[Record, Scores]], focus: str) -> tuple[list[Example], list[Example]]:
    """Return the questions that the arm in focus answered best, and worst: by the mean of its scores on each."""
    by_number: dict[int, list[Record]] = {}
    quality: dict[int, float] = {}
    for record, scores in scored:
        arm, condition, number = record.key
        if condition != AS_ASKED:
            continue
        by_number.setdefault(number, []).append(record)
        if arm == focus:
            quality[number] = fmean(score for name in _JUDGED_BY if (score := scores.get(name)) is not None)
    order = sorted(quality, key=lambda number: (-quality[number], number))
    best, worst = order[:EXTREMES], order[::-1][:EXTREMES]
    return [_example(by_number[number]) for number in best], [_example(by_number[number]) for number in worst]


def spread(estimate: Mapping[str, Any]) -> str:
    """Return a figure with its interval."""
    if estimate["value"] is None:
        return NONE
    return f"{number(estimate['value'])} ({number(estimate['low'])}–{number(estimate['high'])})"


def number(value: float, *, signed: bool = False) -> str:
    """Return a number to two decimals, or to none from a hundred."""
    digits = 0 if abs(value) >= 100 else 2
    return f"{value:+z,.{digits}f}" if signed else f"{value:z,.{digits}f}"


def p_value(p: float) -> str:
    """Return a p-value to three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _label(figure: Figure) -> str:
    return f"{figure.label} {'↑' if figure.better == 'higher' else '↓'}"


def _reason(found: Mapping[tuple[str, str], Mapping[str, Any]], label: str, arms: Sequence[str]) -> str:
    figure = next(figure for figure in FIGURES if _label(figure) == label)
    return next(reason for arm in arms if (reason := str(found[figure.name, arm]["reason"])))


def _example(records: Sequence[Record]) -> Example:
    question = records[0].question
    about = " · ".join((question.kind, question.noise, question.lang, " ".join(question.uids) or "no product"))
    answers = tuple(
        (
            record.key[0],
            record.given.status,
            record.given.text,
            "; ".join(f"{uid}: “{quote}”" for uid, quote in record.given.citations),
        )
        for record in records
    )
    return Example(question.question, about, question.answer, answers)
