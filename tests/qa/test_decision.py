from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qa.calibration import calibrate
from qa.decision import NOTHING_FITS, STAGES, Decision, Signals, read_signals
from qa.engine import ProductQA
from qa.generators.choice import EXTRACTIVE
from qa.judging import NO_MATCH, NOT_IN_DESCRIPTION
from retrieval.build import build_index
from retrieval.context import Context
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.query import parse_question
from retrieval.question_file import Question
from retrieval.schema import Product
from tests.conftest import WriteCatalogue, require_models
from tests.fakes import DECISION, KeywordEncoder, KeywordRanker, ScriptedGenerator, pipeline_over, shown

QUESTION = "how heavy is the ridge tent, what does it weigh?"
SURE, UNSURE = Signals(0.4, 2.0, 0.5, 0.4, 5.0, 1.0), Signals(0.4, 2.0, 0.5, 0.4, -5.0, 0.0)
SOME = Signals(0.25, 2.0, 0.0, 0.0, 1.0, 1.0)

ASKED = [
    *[Question(f"is the {colour} harbour mug dishwasher safe", "fact", ("MUG1",)) for colour in "abcdefgh"],
    *[Question(f"who designed the harbour mug {letter}", "unanswerable", ("MUG1",)) for letter in "abcdefgh"],
    *[Question(f"harbour crane with an engine and {letter} wheels", "absent") for letter in "abcdefgh"],
]


def test_the_shipped_decision_is_whole_and_follows_the_evidence() -> None:
    shipped = Decision.read()
    assert set(shipped.weights) == set(STAGES)
    sure, unsure = shipped.probabilities(SURE), shipped.probabilities(UNSURE)
    assert sum(sure.values()) == pytest.approx(1)
    assert sure["answered"] > unsure["answered"]
    far = shipped.probabilities(UNSURE._replace(matches=0.2))
    assert far["no_match"] > unsure["no_match"]
    on_page = (shipped.probabilities(signals, on_page=True)["answered"] for signals in (SURE, SURE._replace(shown=0.2)))
    assert next(on_page) > next(on_page)
    for less in ({"held": 0.5}, {"missing": 1.0}, {"near": 0.2}):
        assert shipped.probabilities(SURE._replace(**less))["no_match"] > sure["no_match"]


def test_a_product_must_match_before_its_description_tells() -> None:
    found = DECISION.probabilities(SOME)
    assert found == pytest.approx({"answered": 0.6439, "not_in_description": 0.0871, "no_match": 0.2689}, abs=1e-4)
    assert DECISION.probabilities(SOME, asks_what_it_is=True) == pytest.approx(
        {"answered": 0.7311, "no_match": 0.2689}, abs=1e-4
    )


def test_a_page_matches_and_has_a_decision_of_its_own() -> None:
    own = replace(DECISION, weights=DECISION.weights | {"tells_on_page": [0, 0, 0, 0, 1, 0, -1.1]}, threshold=0.4)
    probable = own.probabilities(SOME, on_page=True)
    assert probable == pytest.approx({"answered": 0.475, "not_in_description": 0.525}, abs=1e-4)
    assert own.decide(probable, None) == "answered"
    assert own.decide(probable, None, on_page=True) == "not_in_description"
    assert own.decide(probable, 0.47, on_page=True) == "answered"
    assert own.probabilities(SOME, on_page=True, asks_what_it_is=True) == {"answered": 1.0}


def test_an_answer_needs_the_asked_confidence() -> None:
    probable = DECISION.probabilities(SOME)
    assert DECISION.decide(probable, None) == "answered"
    assert DECISION.decide(probable, 0.64) == "answered"
    assert DECISION.decide(probable, 0.65) == "no_match"


def test_a_decision_is_kept_and_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    DECISION.save(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == DECISION
    numberless = [replace(DECISION, threshold=number) for number in (math.nan, math.inf)]
    numberless.append(replace(DECISION, weights=DECISION.weights | {"tells": [0, 0, 0, 0, -math.inf, 0, 0]}))
    unlike = ("[]", "{", json.dumps({"format": "product-qa-decision", "weights": {}}))
    for wrong in (*unlike, *(json.dumps({"format": "product-qa-decision"} | asdict(each)) for each in numberless)):
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


@pytest.mark.parametrize("wrong", [-0.01, 1.01, 90, math.nan])
def test_a_confidence_is_a_probability(index: HybridIndex, wrong: float) -> None:
    with pytest.raises(UsageError, match=r"min_confidence is .*; it must be a probability"):
        pipeline_over(index, None).answer(QUESTION, min_confidence=wrong)


@pytest.mark.models
def test_a_decision_tells_for_which_encoder_it_was_fitted(index: HybridIndex, caplog: pytest.LogCaptureFixture) -> None:
    require_models()
    ProductQA.open(index.folder, EXTRACTIVE, encoder=KeywordEncoder())
    assert "fitted with encoder product-qa/minilm-shop, and the index has keyword" in caplog.text
    assert Decision.read().encoder_note(Decision.read().facts["encoder"] | {"id": "the/same"}) is None
    assert replace(DECISION, facts={}).encoder_note(index.manifest["encoder"]) is None


def test_what_a_product_is_its_description_says(index: HybridIndex) -> None:
    never_sure = replace(DECISION, weights=DECISION.weights | {"tells": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -50.0)})
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
    pipeline = pipeline_over(index, None)
    decision = calibrate(pipeline, ASKED)
    assert decision.facts["questions"] == 24
    assert decision.encoder_note(index.manifest["encoder"]) is None
    assert decision.facts["cross_validated"]["others_declined"] == 1.0
    assert decision == calibrate(pipeline, ASKED)
    found = [
        decision.decide(decision.probabilities(read_signals(each.query, each.context, len(index))), None)
        for each in pipeline.look([question.question for question in ASKED])
    ]
    assert found[:8] == ["answered"] * 8  # of eight none may be declined
    assert set(found[8:16]) == {"not_in_description"}
    assert set(found[16:]) == {"no_match"}
    assert "elsewhere" not in decision.facts
    with pytest.raises(UsageError, match="right status is not_in_description, no_match; 5"):
        calibrate(pipeline, ASKED[:8])


def test_calibration_learns_from_a_catalogue_that_lacks_the_products(
    index: HybridIndex, tmp_path: Path, write_catalogue: WriteCatalogue
) -> None:
    boats = write_catalogue([{"uid": "BOAT", "title": "Harbour Boat", "content": "A toy boat of tin."}], "boats.json")
    other = build_index([boats], tmp_path / "other", encoder=KeywordEncoder())
    pipeline = pipeline_over(index, None)
    decision = calibrate(pipeline, ASKED, elsewhere=pipeline_over(other, None))
    assert decision.facts["questions"] == 24
    assert decision.facts["elsewhere"] == {"questions": 16, "declined": 1.0}
    assert decision.weights != calibrate(pipeline, ASKED).weights


def test_calibration_learns_of_pages_what_searches_do_not_tell(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, None)
    asked = ["is it dishwasher safe?", "does it stand the dishwasher?", "safe in a dishwasher?"]
    others = ["is it vegan?", "does it have wifi?", "who is the publisher?"]
    pages = [
        *[Question(question, "fact", ("MUG1",)) for question in asked],
        *[Question(question, "unanswerable", ("MUG1",)) for question in others],
    ]
    without, with_pages = calibrate(pipeline, ASKED), calibrate(pipeline, ASKED, pages=(pipeline, pages))
    assert without.weights["matches"] == with_pages.weights["matches"]
    assert without.weights["tells_on_page"] != with_pages.weights["tells_on_page"]
    told = with_pages.facts["on_page"]
    assert (told["questions"], told["answerable"]) == (22, 11)
    found = told["cross_validated"]
    assert found["auroc"] == 1.0
    assert found["answered"] == found["answered_rightly"] >= 10
    pipeline.decision = with_pages
    statuses = [pipeline.answer(each, product="MUG1").status for each in (asked[0], others[0])]
    assert statuses == ["answered", "not_in_description"]


def test_signals_count_whether_the_type_that_is_asked_for_is_shown() -> None:
    mice = Product("BOOK", "Nice For Mice", "A family of mice hunts for supper.")
    context = Context((mice,), (shown(mice, mice.content),), 0.9, 0.7, 2.0)
    assert read_signals(parse_question("what do they hunt for?"), context, 10).answers == 2.0
    assert read_signals(parse_question("who wrote Nice for Mice?"), context, 10).answers == -2.0


def test_what_a_product_holds_of_a_question_is_weighed_against_chance() -> None:
    mice = Product("BOOK", "Nice For Mice", "A family of mice hunts for supper.")
    context = Context((mice,), (shown(mice, mice.content),), 0.9, 0.7, 2.0)
    hunt, hunt_and_supper = parse_question("hunt"), parse_question("hunt supper crane")
    assert read_signals(hunt, context, 10).matches == 0.4  # beyond that a match says no more
    assert read_signals(hunt, replace(context, matches=0.3), 10).matches == 0.3
    assert read_signals(hunt, context, 10).held == pytest.approx(1 / math.log(11))
    assert read_signals(hunt_and_supper, context, 10).held == pytest.approx(2 / math.log(11))
    assert read_signals(hunt, context, 1_000_000).held < 0.1
    assert read_signals(hunt, context, 10).missing == 0
    assert read_signals(hunt_and_supper, context, 10).missing == pytest.approx(1 / math.log(11))
    assert read_signals(hunt, context, 10).near == 0.7
    assert read_signals(hunt, Context((), (), 0.0, 0.0, 0.0), 10) == NOTHING_FITS
    asked = parse_question("nice mice hunt crane")
    assert read_signals(asked, context, 10).shown == 0.5  # of what the title does not hold
    assert read_signals(parse_question("nice mice"), context, 10).shown == 1.0
