"""The figures of a run: which scores they are made of, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qa.evaluation.measures import (
    attribution,
    confidence,
    cost,
    decisions,
    evidence,
    fluency,
    groundedness,
    overlap,
    relevance,
    search,
    semantic,
)
from qa.evaluation.measures.case import Measure
from qa.evaluation.weighted import Statistic, area_under_coverage_risk, expected_calibration_error, mean, quantile

MEASURES: tuple[Measure, ...] = tuple(
    module.score
    for module in (
        decisions,
        relevance,
        overlap,
        semantic,
        evidence,
        groundedness,
        attribution,
        fluency,
        search,
        confidence,
        cost,
    )
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an arm.

    Attributes:
        name: How it is called in files.
        label: How it is called in reports.
        better: Which way is better.
        needs: What an answer must be for the figure to count it.
        scores: The scores it is made of.
        statistic: How.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    needs: str
    scores: tuple[str, ...]
    statistic: Statistic = mean


def _mean(name: str, label: str, needs: str, better: Literal["higher", "lower"] = "higher") -> Figure:
    return Figure(name, label, better, needs, (name,))


_EVERY = "any answer"
_GIVEN = "an answer that was given"
_REFERENCE = "a question with a reference answer"
_EVIDENCE = "a question with evidence"
_FINDABLE = "a question with one right product"
_SEARCHED = "a question with one right product, and an arm that searches"
_CONFIDENT = "an answer that was given by an arm that states its confidence"
_MODEL = "an answer of an arm with a language model"
_CALIBRATION = ("confidence", "risk")

FIGURES: tuple[Figure, ...] = (
    _mean("correct", "correct", _EVERY),
    _mean("status_accuracy", "status accuracy", _EVERY),
    _mean("refusal_precision", "refusal precision", "a refusal"),
    _mean("refusal_recall", "refusal recall", "a question that has no answer"),
    _mean("right_product", "right product", _FINDABLE),
    _mean("evidence_recall", "evidence recall", _EVIDENCE),
    _mean("evidence_whole", "all evidence words", _EVIDENCE),
    _mean("token_f1", "token F1", _REFERENCE),
    _mean("rouge_l", "ROUGE-L", _REFERENCE),
    _mean("semantic_precision", "semantic precision", _REFERENCE),
    _mean("bertscore_precision", "BERTScore precision", _REFERENCE),
    _mean("bertscore_recall", "BERTScore recall", _REFERENCE),
    _mean("bertscore_f1", "BERTScore F1", _REFERENCE),
    _mean("addresses_question", "addresses the question", _GIVEN),
    _mean("groundedness", "groundedness", _GIVEN),
    _mean("unsupported_numbers", "unsupported numbers", _GIVEN, "lower"),
    _mean("unsupported_names", "unsupported names", _GIVEN, "lower"),
    _mean("citation_recall", "citation recall", _GIVEN),
    _mean("citation_precision", "citation precision", _GIVEN),
    Figure("perplexity", "perplexity (median)", "lower", _GIVEN, ("perplexity",), quantile(0.5)),
    _mean("repetition", "repetition", _GIVEN, "lower"),
    _mean("well_ended", "ends properly", _GIVEN),
    _mean("hit@1", "hit@1", _SEARCHED),
    _mean("hit@k", "hit@k", _SEARCHED),
    _mean("mrr", "MRR", _SEARCHED),
    _mean("ndcg@k", "nDCG@k", _SEARCHED),
    _mean("coverage", "coverage", _EVERY),
    _mean("risk", "risk of answers given", _GIVEN, "lower"),
    Figure("aurc", "area under coverage-risk", "lower", _CONFIDENT, _CALIBRATION, area_under_coverage_risk),
    Figure("ece", "calibration error (ECE)", "lower", _CONFIDENT, _CALIBRATION, expected_calibration_error),
    Figure("ms_p50", "time, median (ms)", "lower", _EVERY, ("milliseconds",), quantile(0.5)),
    Figure("ms_p95", "time, 95 % (ms)", "lower", _EVERY, ("milliseconds",), quantile(0.95)),
    _mean("tokens", "tokens an answer", _EVERY, "lower"),
    _mean("prompt_tokens", "prompt tokens a question", _MODEL, "lower"),
    _mean("completion_tokens", "completion tokens a question", _MODEL, "lower"),
)
