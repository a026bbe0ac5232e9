from __future__ import annotations

import pytest

from qa.names import holds_the_name
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
