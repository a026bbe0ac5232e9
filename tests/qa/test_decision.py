from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qa.calibration import calibrate
from qa.decision import DECIDED, Decision, Signals, read_signals
from qa.engine import ProductQA
from qa.judging import NO_MATCH, NOT_IN_DESCRIPTION
from retrieval.context import Context
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.query import parse_question
from retrieval.question_file import Question
from retrieval.schema import Product
from tests.fakes import DECISION, KeywordRanker, ScriptedGenerator, pipeline_over, shown

QUESTION = "how heavy is the ridge tent, what does it weigh?"
SURE, UNSURE = Signals(0.9, 5.0), Signals(0.9, -5.0)


def test_the_shipped_decision_is_whole_and_follows_the_evidence() -> None:
    shipped = Decision.read()
    assert set(shipped.weights) == set(DECIDED)
    sure, unsure = shipped.probabilities(SURE), shipped.probabilities(UNSURE)
    assert sum(sure.values()) == pytest.approx(1)
    assert sure["answered"] > unsure["answered"]
    far = shipped.probabilities(UNSURE._replace(matches=0.2))
    assert far["no_match"] > unsure["no_match"]


def test_probabilities_are_a_softmax_over_what_is_possible() -> None:
    found = DECISION.probabilities(Signals(0.25, 1.0))
    assert found == pytest.approx({"answered": 0.6652, "not_in_description": 0.0900, "no_match": 0.2447}, abs=1e-4)
    known = DECISION.probabilities(Signals(0.25, 1.0), {"no_match"})
    assert known == pytest.approx({"answered": 0.8808, "not_in_description": 0.1192}, abs=1e-4)


def test_an_answer_needs_the_asked_confidence() -> None:
    probable = DECISION.probabilities(Signals(0.25, 1.0))
    assert DECISION.decide(probable, None) == "answered"
    assert DECISION.decide(probable, 0.66) == "answered"
    assert DECISION.decide(probable, 0.67) == "no_match"


def test_a_decision_is_kept_and_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    DECISION.save(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == DECISION
    for wrong in ("[]", "{", json.dumps({"format": "product-qa-decision", "weights": {}})):
        (tmp_path / "decision.json").write_text(wrong)
        with pytest.raises(UsageError, match=r"decision\.json is not a decision"):
            Decision.read(tmp_path / "decision.json")


def test_the_pipeline_declines_what_is_not_sure_enough(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator("It weighs 2.4 kg."))
    answer = pipeline.answer(QUESTION)
    assert answer.status == "answered"
    declined = pipeline.answer(QUESTION, min_confidence=answer.confidence + 0.001)
    assert (declined.text, declined.product.uid) == (NOT_IN_DESCRIPTION, "TENT1")
    assert declined.confidence < 1 - answer.confidence + 0.001
    assert "".join(pipeline.stream(QUESTION, min_confidence=0.9999)) == NOT_IN_DESCRIPTION


def test_what_a_product_is_its_description_says(index: HybridIndex) -> None:
    never_sure = replace(DECISION, weights=DECISION.weights | {"not_in_description": (0.0, 0.0, 50.0)})
    pipeline = ProductQA(index, None, ranker=KeywordRanker(), decision=never_sure)
    declined = pipeline.answer(QUESTION)
    assert declined.status == "not_in_description"
    assert declined.product is not None
    title = declined.product.title
    assert pipeline.answer(f"What is the {title}?").status == "answered"
    assert "not_in_description" not in pipeline.look([title])[0].probable


def test_a_model_is_not_asked_for_what_is_declined(index: HybridIndex) -> None:
    generator = ScriptedGenerator("It weighs 2.4 kg.")
    pipeline = pipeline_over(index, generator)
    assert pipeline.answer("who is the author of The Lighthouse Cat?").text == NOT_IN_DESCRIPTION
    assert pipeline.answer("range of an electric motorbike per charge").text == NO_MATCH
    assert generator.prompts == []


def test_calibration_learns_to_tell_the_statuses_apart(index: HybridIndex) -> None:
    asked = [
        *[Question(f"is the {colour} harbour mug dishwasher safe", "fact", ("MUG1",)) for colour in "abcdefgh"],
        *[Question(f"who designed the harbour mug {letter}", "unanswerable", ("MUG1",)) for letter in "abcdefgh"],
        *[Question(f"harbour crane with an engine and {letter} wheels", "absent") for letter in "abcdefgh"],
    ]
    pipeline = pipeline_over(index, None)
    decision = calibrate(pipeline, asked)
    assert decision.facts["questions"] == 24
    assert decision.facts["cross_validated"]["others_declined"] == 1.0
    assert decision == calibrate(pipeline, asked)
    found = [
        decision.decide(decision.probabilities(read_signals(each.query, each.context)), None)
        for each in pipeline.look([question.question for question in asked])
    ]
    assert found[:8] == ["answered"] * 8  # of eight none may be declined
    assert set(found[8:16]) == {"not_in_description"}
    assert set(found[16:]) == {"no_match"}
    with pytest.raises(UsageError, match="right status is not_in_description, no_match; 5"):
        calibrate(pipeline, asked[:8])


def test_signals_count_whether_the_type_that_is_asked_for_is_shown() -> None:
    mice = Product("BOOK", "Nice For Mice", "A family of mice hunts for supper.")
    context = Context((mice,), (shown(mice, mice.content),), 0.9, 2.0)
    assert read_signals(parse_question("what do they hunt for?"), context) == (0.9, 2.0)
    assert read_signals(parse_question("who wrote Nice for Mice?"), context) == (0.9, -2.0)
