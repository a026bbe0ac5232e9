"""Does tuning help? Answers of the tuned and the untuned model with the same retrieval, beside quoting and copying.

python -m benchmarks.answer_quality --index INDEX --questions FILE --name RESULT

Arms: ``tuned`` and ``untuned`` are the model with and without its adapter, ``extractive`` quotes without a model, and
``copy`` says the title and the first forty words of the first hit. All statuses come from the pipeline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import bootstrap_interval, parse_arguments, write_result
from qa.answers import Answer
from qa.engine import ProductQA
from qa.evaluation.measures.overlap import token_f1
from qa.evaluation.measures.wording import share_held
from retrieval.question_file import Question, read_questions

SEED = 0
ARMS: dict[str, dict[str, str]] = {"tuned": {}, "untuned": {"adapter": "none"}, "extractive": {"model": "extractive"}}
EXPECTED = {
    "identify": "answered",
    "fact": "answered",
    "unanswerable": "not_in_description",
    "absent": "no_match",
    "ambiguous": "ambiguous",
}
ANSWERABLE = ("identify", "fact")
COPIED_WORDS = 40


def copied(answer: Answer) -> str:
    """Return the title and the first words of the first hit."""
    if not answer.hits:
        return ""
    product = answer.hits[0].product
    return f"{product.title}. {' '.join(product.content.split()[:COPIED_WORDS])}"


def quality(questions: Sequence[Question], texts: Sequence[str], kinds: Sequence[str]) -> dict[str, Any]:
    """Return token F1 against the reference and the share of answers that hold all of the evidence's words."""
    rows = [(question, text) for question, text in zip(questions, texts, strict=True) if question.kind in kinds]
    values = {
        "token_f1": [token_f1(text, question.answer) for question, text in rows],
        "evidence_whole": [float(share_held(question.evidence, text) == 1.0) for question, text in rows],
    }
    return {name: _mean(of_all) for name, of_all in values.items()}


def statuses(questions: Sequence[Question], answers: Sequence[Answer]) -> dict[str, Any]:
    """Return how often the status is right, and what was given for each kind of question."""
    pairs = list(zip(questions, answers, strict=True))
    right = [float(answer.status == EXPECTED[question.kind]) for question, answer in pairs]
    silent = [float(a.status == EXPECTED[q.kind]) for q, a in pairs if q.kind in ("unanswerable", "absent")]
    refused = [float(answer.status != "answered") for question, answer in pairs if question.kind in ANSWERABLE]
    given = {kind: dict(Counter(a.status for q, a in pairs if q.kind == kind)) for kind in EXPECTED}
    return {
        "status_right": _mean(right),
        "status_right_unanswerable_absent": _mean(silent),
        "answerable_refused": _mean(refused),
        "by_kind": given,
    }


def _mean(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": round(sum(values) / len(values), 4), "interval_95": bootstrap_interval(values, SEED)}


def main() -> None:
    options = parse_arguments(__doc__, "questions")
    questions = read_questions(Path(options.questions))
    figures: dict[str, Any] = {"questions": len(questions)}
    answers: list[Answer] = []
    for arm, settings in ARMS.items():
        answers = ProductQA.open(options.index, **settings).answer_batch([question.question for question in questions])
        texts = [answer.text if answer.status == "answered" else "" for answer in answers]
        figures[arm] = {kind: quality(questions, texts, [kind]) for kind in ANSWERABLE}
        figures[arm] |= quality(questions, texts, ANSWERABLE) | statuses(questions, answers)
        figures[arm]["milliseconds_median"] = median(answer.timings["total"] for answer in answers)
        print(arm, {name: value["mean"] for name, value in figures[arm].items() if "mean" in str(value)[:8]})
    texts = list(map(copied, answers))
    figures["copy"] = {kind: quality(questions, texts, [kind]) for kind in ANSWERABLE}
    figures["copy"] |= quality(questions, texts, ANSWERABLE)
    print("copy", {name: figures["copy"][name]["mean"] for name in ("token_f1", "evidence_whole")})
    write_result(options.name, figures, [options.questions], seed=SEED)


if __name__ == "__main__":
    main()
