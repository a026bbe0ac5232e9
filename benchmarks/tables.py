"""The tables of the README, made from the result files: ``python -m benchmarks.tables`` writes them into it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS
from benchmarks.search_quality import ARMS

README = Path(__file__).parent.parent / "README.md"
GROUPS = {"all": "all", "vague": "noise=vague", "typo": "noise=typo", "Portuguese": "lang=pt"}
CATALOGUES = {"search-sample": "sample catalogue", "search-real": "real listings"}

ANSWERS = ("answers-real", "answers-sample")
FIGURES = {
    "token_f1": "token F1",
    "semantic_precision": "semantic precision",
    "evidence_whole": "all evidence words",
    "correct": "right answers",
    "refusal_recall": "declines what has no answer",
    "status_accuracy": "right status",
    "groundedness": "groundedness",
}
"""Figures of the table over all questions, each with its heading."""
ARMS_SHOWN = {
    "the notebook's recipe: titles and descriptions learned, asked alone": "notebook",
    "untuned, asked alone": "untuned",
    "tuned, asked alone": "tuned",
    "copying the top hit": "copy",
    "untuned, with retrieval, in its own words": "untuned+free",
    "tuned, with retrieval, in its own words": "tuned+free",
    "untuned, in its own words where there is something to say": "untuned+decided",
    "tuned, in its own words where there is something to say": "tuned+decided",
    "untuned, with retrieval": "untuned+retrieval",
    "quoting, without a language model": "extractive",
    "**tuned, with retrieval: what ships**": "tuned+retrieval",
}
"""Rows of the table, each with its arm; arms that were not measured have none."""


def search_table() -> str:
    """Return the Markdown rows of hit@1 / hit@4 by catalogue, group and arm."""
    lines = ["| questions | group | n | search | without reranking | dense alone | BM25 alone |", "|---" * 7 + "|"]
    for result, catalogue in CATALOGUES.items():
        figures: dict[str, Any] = json.loads((RESULTS / f"{result}.json").read_text(encoding="utf-8"))["figures"]
        for group, key in GROUPS.items():
            label = f"{catalogue}, {figures['products']:,} products" if group == "all" else ""
            cells = [f"{figures[key][arm]['hit@1']:.2f} / {figures[key][arm]['hit@4']:.2f}" for arm in ARMS]
            lines.append(f"| {' | '.join([label, group, str(figures[key]['questions']), *cells])} |")
    return "\n".join(lines) + "\n"


def answers_table(result: str) -> str:
    """Return the Markdown rows of what each way of answering reaches."""
    lines = [f"| way of answering | {' | '.join(FIGURES.values())} |", "|---" * (1 + len(FIGURES)) + "|"]
    measured = json.loads((RESULTS / f"{result}.json").read_text(encoding="utf-8"))["figures"]["all"]
    for label, arm in ARMS_SHOWN.items():
        if arm not in measured:
            continue
        figures = [measured[arm].get(name) for name in FIGURES]
        cells = [f"{figure['value']:.2f}" if figure else "–" for figure in figures]
        lines.append(f"| {' | '.join([label, *cells])} |")
    return "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """Return the README's text with its tables made anew."""
    tables = {"search": search_table()} | {result: answers_table(result) for result in ANSWERS}
    for name, table in tables.items():
        text = re.sub(
            rf"(?<=<!-- table: {name} -->\n).*?(?=<!-- end -->)", lambda _, t=table: t, text, count=1, flags=re.DOTALL
        )
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
