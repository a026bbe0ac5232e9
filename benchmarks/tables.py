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


def filled(text: str) -> str:
    """Return the README's text with its table made anew."""
    return re.sub(r"(?<=<!-- table: search -->\n).*?(?=<!-- end -->)", search_table(), text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
