from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.known_product import measure
from retrieval.index import HybridIndex
from retrieval.question_file import read_questions
from tests.conftest import require_models

ROWS = [
    ("Harbour Mug", "is it dishwasher safe?", [("Holds 350 ml", 0), ("It is dishwasher safe.", 2)]),
    ("Desk Lamp", "how long is its cord?", [("The cord is 1.8 m long.", 2), ("Takes an E27 bulb.", 0)]),
    ("Ridge Two Tent", "does it come with a pump?", [("Sleeps two people.", 0), ("Weighs 2.4 kg.", 1)]),
    ("Lighthouse Cat", "is it signed by the author?", [("A cat keeps the lamp burning.", 0)]),
]


@pytest.mark.models
def test_judged_sentences_become_pages_whose_answers_are_counted(tmp_path: Path) -> None:
    require_models()
    rows = [
        {
            "title": f"{title} {number}",
            "question": question,
            "sentences": [{"text": text, "label": label} for text, label in sentences],
        }
        for number in range(4)
        for title, question, sentences in ROWS
    ]
    figures = measure(rows, tmp_path)

    questions = read_questions(tmp_path / "questions.jsonl")
    assert [question.kind for question in questions] == ["fact", "fact", "unanswerable", "unanswerable"] * 4
    mug = HybridIndex.open(tmp_path / "index").product(questions[0].uids[0])
    assert (mug.title, mug.content) == ("Harbour Mug 0", "Holds 350 ml. It is dishwasher safe.")
    assert (figures["questions"], figures["answered"], figures["precision"], figures["recall"]) == (16, 8, 1.0, 1.0)
    assert figures["answered or declined"]["auroc"] == 1.0
