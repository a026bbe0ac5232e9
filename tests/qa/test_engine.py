from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from qa.engine import ProductQA
from qa.generators.choice import EXTRACTIVE
from qa.judging import NO_MATCH, NOT_IN_DESCRIPTION
from retrieval.build import build_index
from retrieval.errors import GenerationError, IndexNotFound, ModelNotFound, QuestionError, UsageError
from retrieval.evidence import CrossEncoderRanker
from retrieval.index import HybridIndex
from retrieval.models import DEFAULT_LANGUAGE_MODEL, find_adapter
from retrieval.prompt import NO_PRODUCT, NOT_SAID
from tests.conftest import WriteCatalogue, require_models
from tests.fakes import KeywordEncoder, ScriptedGenerator, pipeline_over

QUESTION = "how heavy is the ridge tent, what does it weigh?"


def test_a_traceable_answer_is_given_with_its_source(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("The tent weighs 2.4 kg.")).answer(QUESTION)
    assert (answer.status, str(answer)) == ("answered", "The tent weighs 2.4 kg.")
    assert [(c.uid, c.quote) for c in answer.citations] == [("TENT1", "Weighs 2.4 kg.")]
    assert answer.product is not None
    assert answer.product.uid == "TENT1"
    assert answer.notes == ()
    assert 0 <= answer.confidence <= 1
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4]
    assert set(answer.timings) == {"search", "context", "generate", "check", "total"}
    assert answer.tokens["completion"] == 5
    assert answer.tokens["prompt"] > 20


def test_copied_words_are_an_answer_and_their_own_source(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("[1] 2.4 kg")).answer(QUESTION)
    assert (answer.status, answer.text, answer.notes) == ("answered", "2.4 kg.", ())
    assert [(c.uid, c.quote) for c in answer.citations] == [("TENT1", "Weighs 2.4 kg.")]
    described = pipeline_over(index, ScriptedGenerator("[1]: Weighs 2.4 kg.")).answer(QUESTION)
    assert described.text == f"Ridge Two Tent: {index.product('TENT1').content}"
    assert [c.quote for c in described.citations] == ["Sleeps two people.", "Weighs 2.4 kg.", "Not suitable for snow."]


def test_what_a_product_is_is_told_from_its_beginning(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    filler = " ".join(f"It has {n} stories of some length to tell, which go on in one way or the other." for n in "789")
    row = {"uid": "B1", "title": "Nice for Mice", "content": f"Mice hunt for supper. {filler} For ages 2 to 5."}
    index = build_index([write_catalogue([row])], tmp_path / "one", encoder=KeywordEncoder())
    for says in ("[1] For ages 2 to 5.", "[1]: For ages 2 to 5."):
        answer = pipeline_over(index, ScriptedGenerator(says)).answer("What is Nice for Mice?")
        assert answer.text.startswith("Nice for Mice: Mice hunt for supper. It has")
        assert answer.text.endswith("the other. … For ages 2 to 5.")
        assert all(citation.quote in row["content"] for citation in answer.citations)


@pytest.mark.parametrize("says", ["[1] 9.9 kg", "[4] The cord is 1.8 m long.", "[77] 2.4 kilos", "[1]"])
def test_a_citation_that_does_not_hold_is_not_shown(index: HybridIndex, says: str) -> None:
    answer = pipeline_over(index, ScriptedGenerator(says)).answer(QUESTION)
    assert all(citation.quote in index.product(citation.uid).content for citation in answer.citations)
    assert "9.9" not in answer.text
    assert "cord" not in answer.text
    assert "kilos" not in answer.text


@pytest.mark.parametrize("says", ["[1] 4 kg", "[1] suitable for snow", "[1] now", "The tent is suitable for snow."])
def test_words_that_lose_their_negation_or_part_of_a_number_are_replaced(index: HybridIndex, says: str) -> None:
    answer = pipeline_over(index, ScriptedGenerator(says)).answer("is the ridge tent suitable for snow?")
    assert (answer.text, answer.status) == ("Not suitable for snow.", "answered")
    assert "quoted" in answer.notes[0]


def test_the_two_ways_to_decline(index: HybridIndex) -> None:
    silent = pipeline_over(index, ScriptedGenerator(f"[1] {NOT_SAID}")).answer(QUESTION)
    assert (silent.status, silent.text, silent.product.uid) == ("not_in_description", NOT_IN_DESCRIPTION, "TENT1")
    nothing = pipeline_over(index, ScriptedGenerator(NO_PRODUCT)).answer(QUESTION)
    assert (nothing.status, nothing.text, nothing.product) == ("no_match", NO_MATCH, None)


def test_invented_words_are_replaced_by_a_quote_and_the_answer_says_so(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("It was designed by Ann Lee in 1999.")).answer(QUESTION)
    assert answer.status == "answered"
    assert "Ann Lee" not in answer.text
    assert "Weighs 2.4 kg." in answer.text
    assert all(citation.quote in index.product(citation.uid).content for citation in answer.citations)
    assert "quoted" in answer.notes[0]


def test_an_invented_sentence_beside_a_true_one_is_left_out(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("It weighs 2.4 kg. It was designed by Ann Lee.")).answer(QUESTION)
    assert answer.text == "It weighs 2.4 kg."
    assert "left out" in answer.notes[0]


def test_a_true_sentence_about_another_product_is_no_answer(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("The cord is 1.8 m long.")).answer(QUESTION)
    assert answer.product is not None
    assert answer.product.uid == "TENT1"
    assert "cord" not in answer.text


def test_a_title_alone_answers_nothing(index: HybridIndex) -> None:
    answer = pipeline_over(index, ScriptedGenerator("Ridge Two Tent.")).answer(QUESTION)
    assert "2.4 kg" in answer.text


def test_what_the_description_does_not_hold_is_declined(index: HybridIndex) -> None:
    silent = pipeline_over(index, None).answer("who is the author of The Lighthouse Cat?")
    assert (silent.status, silent.text) == ("not_in_description", NOT_IN_DESCRIPTION)
    assert silent.product is not None
    assert silent.product.uid == "BOOK2"
    declined = pipeline_over(index, ScriptedGenerator(NOT_IN_DESCRIPTION)).answer(QUESTION)
    assert declined.status == "not_in_description"
    assert declined.citations == ()


def test_a_product_that_is_not_there_is_not_made_up(index: HybridIndex) -> None:
    generator = ScriptedGenerator("It weighs 2.4 kg.")
    answer = pipeline_over(index, generator).answer("range of an electric motorbike per charge")
    assert (answer.status, answer.text, answer.product) == ("no_match", NO_MATCH, None)
    assert generator.prompts == []


def test_without_a_model_the_best_sentence_is_quoted(index: HybridIndex) -> None:
    answer = pipeline_over(index, None).answer("is the blue harbour mug dishwasher safe")
    assert answer.status == "answered"
    assert "Dishwasher safe." in [citation.quote for citation in answer.citations]
    assert answer.notes == ()


def test_how_many_are_in_a_pack_is_said_from_the_title_or_not_at_all(
    tmp_path: Path, write_catalogue: WriteCatalogue
) -> None:
    row = {"uid": "PEN1", "title": "Reed Pen, 3-Count", "content": "A pen of reed to draw with."}
    index = build_index([write_catalogue([row])], tmp_path / "one", encoder=KeywordEncoder())
    answer = pipeline_over(index, None).answer("how many to draw with do I get in the reed pen pack")
    assert (answer.status, answer.text, answer.citations[0].quote) == ("answered", "3-Count.", "3-Count")
    assert pipeline_over(index, None).answer("how long is the reed pen to draw with").status == "not_in_description"


def test_a_product_page_looks_at_nothing_else(index: HybridIndex) -> None:
    generator = ScriptedGenerator()
    answer = pipeline_over(index, generator).answer("is it dishwasher safe?", product="MUG2")
    assert answer.product is not None
    assert answer.product.uid == "MUG2"
    assert [hit.product.uid for hit in answer.hits] == ["MUG2"]
    assert "Ridge" not in generator.prompts[0][-1]["content"]
    with pytest.raises(UsageError, match="No product NONE in"):
        pipeline_over(index, generator).answer("is it safe?", product="NONE")


@pytest.mark.models
def test_a_page_declines_what_it_does_not_say_though_its_name_is_not_repeated(sample_index: HybridIndex) -> None:
    require_models()
    pipeline = ProductQA(sample_index, None)
    asked = ("what colour is it?", "does it have wifi?", "what is the serial number?", "is it vegan?")
    pages = [product.uid for product in list(sample_index.catalogue)[:10]]
    statuses = [answer.status for page in pages for answer in pipeline.answer_batch(asked, product=page)]
    assert statuses.count("not_in_description") >= 30
    told = pipeline.answer("how much water does it hold?", product="SKT0000042")
    assert (told.status, told.text) == ("answered", "The reservoir holds 70 ounces (about 2 liters) of water.")


def test_a_model_that_only_quotes_is_shown_the_first_product_alone(index: HybridIndex) -> None:
    free, quoting = ScriptedGenerator(), ScriptedGenerator()
    quoting.only_quotes = True
    for generator in (free, quoting):
        pipeline_over(index, generator).answer("is the blue harbour mug dishwasher safe")
    (both,), (first,) = ([prompt[-1]["content"] for prompt in generator.prompts] for generator in (free, quoting))
    assert "[1] Harbour Mug, Blue: " in first
    assert ("[2] " in both, "[2] " in first) == (True, False)


def test_a_batch_equals_one_by_one(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator())
    questions = [QUESTION, "range of an electric motorbike per charge", "what is What If?", "red mug size"] * 3
    together = pipeline.answer_batch(questions)
    apart = [pipeline.answer(question) for question in questions]
    assert [(a.text, a.status, a.citations) for a in together] == [(a.text, a.status, a.citations) for a in apart]
    assert pipeline.answer_batch([]) == []


@pytest.mark.parametrize(
    "says",
    [
        "It weighs 2.4 kg. It sleeps two people.",
        "Designed by Ann Lee. It weighs 2.4 kg.",
        "It weighs 2.4 kg. The tent sleeps",
        f"{NOT_IN_DESCRIPTION} It weighs 2.4 kg. It sleeps two people.",
        f"It weighs 2.4 kg. {NOT_IN_DESCRIPTION}",
        "It weighs approx. 2.4 kg. It sleeps two people.",
        "2.4 kg",
        "[1] 2.4 kg",
        f"[1] {NOT_SAID}",
        NO_PRODUCT,
        "[1] Nonsense",
        "Nonsense",
        "",
    ],
)
def test_a_stream_spells_the_answer_and_nothing_else(index: HybridIndex, says: str) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator(says))
    stream = pipeline.stream(QUESTION)
    assert "".join(stream) == pipeline.answer(QUESTION).text
    assert stream.answer is not None
    assert stream.answer.text == pipeline.answer(QUESTION).text


def test_a_checked_sentence_is_streamed_before_the_model_ends(index: HybridIndex) -> None:
    pieces = list(pipeline_over(index, ScriptedGenerator("It weighs 2.4 kg. It sleeps two people.")).stream(QUESTION))
    assert pieces == ["It weighs 2.4 kg.", " It sleeps two people."]


def test_without_retrieval_the_words_are_marked_as_unchecked(index: HybridIndex) -> None:
    generator = ScriptedGenerator("Anything at all.")
    answer = pipeline_over(index, generator).answer(QUESTION, retrieval=False)
    assert (answer.text, answer.citations, answer.product) == ("Anything at all.", (), None)
    assert "nothing supports" in answer.notes[0]
    assert "tent" not in generator.prompts[0][0]["content"].lower()
    with pytest.raises(UsageError, match="needs a language model"):
        pipeline_over(index, None).answer(QUESTION, retrieval=False)
    for useless in ({"product": "TENT1"}, {"min_confidence": 0.5}):
        with pytest.raises(UsageError, match="neither a product to look at nor a confidence"):
            pipeline_over(index, generator).answer(QUESTION, retrieval=False, **useless)


def test_contexts_shrink_to_the_prompt_budget_by_whole_sentences(index: HybridIndex) -> None:
    roomy, tight = ScriptedGenerator(), ScriptedGenerator()
    pipeline_over(index, roomy).answer(QUESTION)
    longest = roomy.count_tokens(roomy.prompts[0])
    pipeline_over(index, tight, max_prompt_tokens=longest - 4).answer(QUESTION)
    assert tight.count_tokens(tight.prompts[0]) <= longest - 4
    assert "Ridge Two Tent: Weighs 2.4 kg." in tight.prompts[0][-1]["content"]
    assert "snow" not in tight.prompts[0][-1]["content"]
    with pytest.raises(UsageError, match="max_prompt_tokens is 5: too few"):
        pipeline_over(index, tight, max_prompt_tokens=5).answer(QUESTION)


def test_a_title_that_fills_the_prompt_is_no_error(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    rows = [
        {"uid": "LONG", "title": f"Gizmo {'x' * 9} {'very long title ' * 400}", "content": "It has a gizmo number."},
        {"uid": "TENT", "title": "Ridge Two Tent", "content": "Weighs 2.4 kg."},
    ]
    index = build_index([write_catalogue(rows)], tmp_path / "long", encoder=KeywordEncoder())
    generator = ScriptedGenerator()
    gizmo, tent = pipeline_over(index, generator).answer_batch(["what gizmo number is it", QUESTION])
    assert gizmo.status == "answered"
    assert [citation.quote for citation in gizmo.citations] == ["It has a gizmo number."]
    assert (tent.product.uid, len(generator.prompts)) == ("TENT", 1)


def test_a_failing_model_leaves_the_pipeline_usable(index: HybridIndex) -> None:
    generator = ScriptedGenerator("It weighs 2.4 kg.", fails=GenerationError("out of memory"))
    pipeline = pipeline_over(index, generator)
    with pytest.raises(GenerationError, match="out of memory"):
        pipeline.answer(QUESTION)
    generator.fails = None
    assert pipeline.answer(QUESTION).status == "answered"


@pytest.mark.parametrize(
    ("question", "message"), [("  ", "empty"), ("x" * 100_000, "100,000 characters"), ("?!", "no word")]
)
def test_questions_that_cannot_be_asked_are_refused(index: HybridIndex, question: str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        pipeline_over(index, None).answer(question)


def test_a_question_in_another_script_gets_an_honest_answer(index: HybridIndex) -> None:
    assert pipeline_over(index, None).answer("这个帐篷有多重").status == "no_match"


def test_warming_up_asks_the_model_once(index: HybridIndex) -> None:
    generator = ScriptedGenerator("Warm.")
    pipeline_over(index, generator).warmup()
    assert len(generator.prompts) == 1
    pipeline_over(index, None).warmup()


def test_open_says_what_is_missing(index: HybridIndex, tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=r"did you mean .*index\?"):
        ProductQA.open(tmp_path / "indes")
    with pytest.raises(ModelNotFound, match="No model folder at"):
        ProductQA.open(index.folder, model=str(tmp_path / "no-model"))
    with pytest.raises(UsageError, match="k is 0"):
        pipeline_over(index, None, k=0)
    with pytest.raises(UsageError, match="extractive takes no adapter"):
        ProductQA.open(index.folder, model=EXTRACTIVE, adapter=tmp_path)
    with pytest.raises(UsageError, match="v1#any takes no adapter"):
        ProductQA.open(index.folder, model="http://127.0.0.1/v1#any", adapter=str(tmp_path))
    with pytest.raises(ModelNotFound, match="No evidence ranker at"):
        ProductQA.open(index.folder, model=EXTRACTIVE, encoder=KeywordEncoder(), evidence=tmp_path)


@pytest.mark.models
def test_open_takes_the_evidence_ranker_that_is_named(index: HybridIndex, tmp_path: Path) -> None:
    require_models()
    copied = shutil.copytree(CrossEncoderRanker().folder, tmp_path / "evidence")
    pipeline = ProductQA.open(index.folder, model=EXTRACTIVE, encoder=KeywordEncoder(), evidence=copied)
    assert pipeline.ranker.folder == copied


@pytest.mark.models
def test_an_adapter_that_is_named_and_belongs_to_another_index_is_told(
    index: HybridIndex, caplog: pytest.LogCaptureFixture
) -> None:
    require_models()
    caplog.set_level(logging.INFO)
    shipped = find_adapter("auto", DEFAULT_LANGUAGE_MODEL)
    told = {}
    for adapter in ("none", "auto", str(shipped)):
        caplog.clear()
        ProductQA.open(index.folder, encoder=KeywordEncoder(), adapter=adapter)
        told[adapter] = [r.levelname for r in caplog.records if "rows were retrieved from another index" in r.message]
    assert told == {"none": [], "auto": ["INFO"], str(shipped): ["WARNING"]}
