"""Whether questions asked on a product's page are answered or declined as people judged its sentences.

python -m benchmarks.known_product --shopper FILE --folder FOLDER --name RESULT

FILE holds JSON lines of ``title``, ``question`` and ``sentences``, each with its ``text`` and a ``label``, 2 where it
answers. Each line becomes a product with these sentences for its description, and a question that it answers or not;
both are left in FOLDER with their index, as ``trn.json``, ``questions.jsonl`` and ``index``: what
``python -m qa calibrate --pages`` takes. No language model is asked: the decision comes before it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.evidence import ANSWERS, SEED, area, read_judged
from benchmarks.record import bootstrap_interval, write_result
from qa.engine import ProductQA
from qa.generators.choice import EXTRACTIVE
from retrieval.build import BuildOptions, build_index
from retrieval.question_file import Question, write_questions
from retrieval.text import is_ended

Row = Mapping[str, Any]


def listing(row: Row, uid: str) -> dict[str, str]:
    """Return a product as a line of trn.json has it."""
    texts = [sentence["text"].strip() for sentence in row["sentences"]]
    content = " ".join(text if is_ended(text) else f"{text}." for text in texts)
    return {"uid": uid, "title": row["title"], "content": content}


def is_answered(row: Row) -> bool:
    """Tell whether one of the sentences answers."""
    return any(sentence["label"] == ANSWERS for sentence in row["sentences"])


def prepare(rows: Sequence[Row], folder: Path) -> list[Question]:
    """Leave products, questions and index in a folder; return the questions."""
    uids = [f"PAGE{number:05}" for number in range(len(rows))]
    folder.mkdir(parents=True, exist_ok=True)
    listings = [listing(row, uid) for row, uid in zip(rows, uids, strict=True)]
    catalogue = folder / "trn.json"
    catalogue.write_text("".join(json.dumps(each) + "\n" for each in listings), encoding="utf-8")
    questions = [
        Question(row["question"], "fact" if is_answered(row) else "unanswerable", (uid,))
        for row, uid in zip(rows, uids, strict=True)
    ]
    write_questions(folder / "questions.jsonl", questions)
    build_index([catalogue], folder / "index", options=BuildOptions(force=True))
    return questions


def measure(rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Return how the decision on pages fares; leave products, questions and index in a folder."""
    questions = prepare(rows, folder)
    pipeline = ProductQA.open(folder / "index", EXTRACTIVE)
    looked = [pipeline.look([question.question], product=question.uids[0])[0] for question in questions]
    answerable = [question.kind == "fact" for question in questions]
    answered = [each.is_answerable for each in looked]
    rightly = [is_right for is_right, was_answered in zip(answerable, answered, strict=True) if was_answered]
    return {
        "questions": len(rows),
        "answered or declined": area([each.probable["answered"] for each in looked], answerable),
        "answered": sum(answered),
        "precision": round(fmean(rightly), 4),
        "precision_interval_95": bootstrap_interval(rightly, SEED),
        "recall": round(sum(rightly) / sum(answerable), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shopper", type=Path, required=True, help="questions of known products, with judged sentences"
    )
    parser.add_argument("--folder", type=Path, required=True, help="where products, questions and index are left")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    figures = measure(read_judged(options.shopper), options.folder)
    print(json.dumps(figures, indent=2))
    write_result(options.name, figures, [options.shopper], seed=SEED)


if __name__ == "__main__":
    main()
