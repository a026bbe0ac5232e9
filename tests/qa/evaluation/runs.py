"""What tests of whole runs have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa.answers import Answer
from qa.engine import ProductQA
from qa.evaluation import Settings, evaluate
from qa.evaluation.arms import ARMS, Arm
from qa.evaluation.measures.semantic import TokenVectors
from qa.evaluation.tools import ModelTools
from retrieval.index import HybridIndex
from retrieval.question_file import Question
from tests.fakes import KeywordEncoder, ScriptedGenerator, pipeline_over

QUESTIONS = [
    question
    for number in range(6)
    for question in (
        Question(
            f"the ridge two tent sleeps how many people {number}",
            "fact",
            ("TENT1",),
            "Two people.",
            "Sleeps two people.",
        ),
        Question(f"a cat keeps the lamp burning {number}", "identify", ("BOOK2",), "The Lighthouse Cat", "A cat keeps"),
        Question(f"who designed the ridge two tent {number}", "unanswerable", ("TENT1",)),
        Question(f"electric motorbike {number}", "absent"),
    )
]


INVENTED = 'Designed by Ann Lee in 1999 <img src="https://example.org/lee.png">.'


class FakePipelines:
    """Opens pipelines over one index."""

    def __init__(self, index: HybridIndex) -> None:
        self.index = index

    def open(self, reader: str, k: int | None) -> ProductQA:
        generator = None if reader == "extractive" else ScriptedGenerator()
        return pipeline_over(self.index, generator, **({} if k is None else {"k": k}))


class FakeModels:
    """Token vectors and perplexities that depend on the text alone."""

    def embed(self, texts: Sequence[str]) -> list[TokenVectors]:
        return [
            (KeywordEncoder().encode_passages(text.split()), np.ones(len(text.split()), np.float32)) for text in texts
        ]

    def measure(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        return [(10.0 + len(text), len(text.split())) for text in texts]


def broken(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    return [Answer(INVENTED, "answered", timings={"total": 1.0}) for _ in questions]


REGISTRY = {
    "extractive": ARMS["extractive"],
    "copy": ARMS["copy"],
    "broken": Arm("broken", "invents", "extractive", broken, searches=False, confident=False),
}


def run(settings: Settings, index: HybridIndex, **options: object) -> dict[str, object]:
    tools = ModelTools(KeywordEncoder(), FakeModels(), FakeModels())
    return evaluate(settings, **({"registry": REGISTRY, "pipelines": FakePipelines(index), "tools": tools} | options))


def untimed(results: dict[str, object]) -> list[object]:
    figures = [*results["estimates"], *results["differences"]]
    return [each for each in figures if not each["figure"].startswith("ms_")]


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_bytes().splitlines()]


def untimed_lines(folder: Path) -> list[dict[str, object]]:
    lines = lines_of(folder)
    for line in lines:
        del line["timings"], line["scores"]["milliseconds"]
    return lines
