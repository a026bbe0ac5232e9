from __future__ import annotations

import pytest

from qa.names import asks_for_a_name, asks_what_it_is, holds_the_name, holds_the_number
from retrieval.index import HybridIndex
from retrieval.query import parse_question
from retrieval.schema import Product
from tests.fakes import ScriptedGenerator, pipeline_over

GAME = Product("GAME", "Cat & Mouse", "The mice race for cheese. By Toytown KT40BK of Lisbon.")


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("What is Nice for Mice?", False),
        ("who wrote Nice for Mice?", False),
        ("tell me about Cat & Mouse", True),
        ("is there a Toytown KT40 in the box?", True),
        ("is there a Toytown KT90 in the box?", False),
        ("what is nice for mice?", True),  # no name: what mice like
        ("What Is Nice For Mice?", True),  # capitals say nothing
        ("WHAT IS NICE FOR MICE", True),
        (
            "how many players and pieces has the mice game Lisboa Norte recommends",
            True,
        ),  # named beside what is asked for
        ("what does Elsa like?", True),  # one word is too little
    ],
)
def test_a_product_that_does_not_hold_the_name_is_not_what_is_asked_for(question: str, held: bool) -> None:
    assert holds_the_name(parse_question(question), GAME) is held


def test_a_thing_that_is_named_and_not_there_is_not_answered_from_another(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator())
    answer = pipeline.answer("who wrote the Harbour Cat at Night?")
    assert (answer.status, answer.product, answer.citations) == ("no_match", None, ())
    assert answer.hits
    assert pipeline.answer("who wrote the Harbour Cat at Night?", product="BOOK2").status != "no_match"


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("have you got the Merrow 300 with the pump?", False),
        ("have you got the Merrow 200 with the pump?", True),
        ("merrow a7 boat", False),
        ("boat ex20 how many seats", True),  # the beginning of EX200
        ("boat hl-4420, how many seats", True),  # the number of a model without its letters
        ("boat set 50w", True),
        ("boat set 60w", False),
        ("boat 9x12", True),
        ("boat 9x13", False),
        ("boat 12 pack", True),  # spelt out
        ("merrow for my 300 lb uncle", True),  # after no word of the title
        ("boat in 2006", True),
        ("merrow 3", True),  # a single digit tells too little
        (f"merrow {'9' * 1_500}", False),
    ],
)
def test_what_holds_another_number_is_another_model(question: str, held: bool) -> None:
    boat = Product(
        "BOAT", "Merrow 200 Boat Set", "EX200, a pack of twelve, 9 ft x 12 ft. The pump takes 50 Watt. Not 4420."
    )
    assert holds_the_number(parse_question(question), boat) is held


def test_another_model_is_no_match(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator())
    assert pipeline.answer("how heavy is the ridge tent 5000x?").status == "no_match"


@pytest.mark.parametrize(
    "question",
    [
        "looking for a book about a cat on a lighthouse",
        "I need something that keeps the lamp burning",
        "do you have a mug for the harbour?",
        "cat keeps a lamp burning, what's it called?",
        "the cat and the lamp, which book was that?",
        "vocês têm um livro de gato?",
        "procuro um abajur de bronze",
        "tô procurando aquele livro do gato listrado",
        "como se chama o livro do gato?",
    ],
)
def test_some_questions_ask_for_a_name(question: str) -> None:
    assert asks_for_a_name(parse_question(question))


@pytest.mark.parametrize(
    "question",
    ["is the mug dishwasher safe?", "what do I need to clean it", "what does it look like?", "who called it?"],
)
def test_others_do_not(question: str) -> None:
    assert not asks_for_a_name(parse_question(question))


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("what is it?", True),
        ("What's this?", True),
        ("tell me about it", True),
        ("what is this for?", True),
        ("o que é isso?", True),
        ("what is the cat & mouse?", True),
        ("is it any good?", False),
        ("who is it by?", False),
        ("tell me about its cheese", False),
    ],
)
def test_what_it_is_may_be_asked_without_its_name(question: str, asks: bool) -> None:
    assert asks_what_it_is(parse_question(question), GAME) is asks


def test_what_it_is_a_page_always_tells(index: HybridIndex) -> None:
    answer = pipeline_over(index, None).answer("what is it?", product="BOOK2")
    assert answer.text == "The Lighthouse Cat: A cat keeps the lamp burning. For ages 3 to 6."
    assert answer.confidence == 1.0


def test_a_question_for_a_name_is_answered_with_the_title(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator("[1] A cat keeps the lamp burning."))
    named = pipeline.answer("a cat keeps the lamp burning, what's it called?")
    assert named.text.startswith("The Lighthouse Cat: A cat keeps the lamp burning.")
    assert pipeline.answer("what keeps the lighthouse cat burning?").text == "A cat keeps the lamp burning."
