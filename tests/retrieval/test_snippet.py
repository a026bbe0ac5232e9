from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.lexical import inverse_document_frequency
from retrieval.query import Query, Wanted
from retrieval.schema import Product
from retrieval.snippet import select_sentences
from retrieval.text import clean, sentences, terms

CONTENT = (
    "The tent sleeps two people. Its poles are of aluminium. It weighs 2.4 kg with pegs. "
    "The floor keeps water out. Not suitable for snow; colour: red. Made by Alder."
)
TENT = Product("TENT1", "Ridge Tent", CONTENT)


def equal(_term: str) -> float:
    return 1.0


def select(question: str, product: Product = TENT, weight=equal, max_words: int = 60) -> list[str]:
    wanted = tuple(Wanted((term,), weight(term)) for term in terms(question))
    return select_sentences(Query(question, wanted, ()), product, max_words)


def test_everything_comes_in_order_when_it_fits() -> None:
    assert select("snow weight", max_words=100) == sentences(CONTENT)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("aluminium", "Its poles are of aluminium."),
        ("how many kg does it weigh", "It weighs 2.4 kg with pegs."),
        ("SNOW", "Not suitable for snow;"),
        ("made by whom", "Made by Alder."),
        ("elephants", "The tent sleeps two people."),
        ("", "The tent sleeps two people."),
    ],
)
def test_the_sentence_with_the_asked_term_is_picked_else_the_first(question: str, sentence: str) -> None:
    assert select(question, max_words=len(sentence.split()))[0] == sentence


def test_sentences_are_taken_by_score_and_given_in_text_order() -> None:
    assert select("made of aluminium, fit for snow?", max_words=12) == [
        "Its poles are of aluminium.",
        "Not suitable for snow;",
        "Made by Alder.",
    ]


def test_a_sentence_that_does_not_fit_makes_room_for_a_shorter_one() -> None:
    assert select("kg pegs red", max_words=8) == ["It weighs 2.4 kg with pegs.", "colour: red."]


def test_heavier_terms_win() -> None:
    weights = {"pole": 1.0, "snow": 3.0}
    assert select("poles snow", weight=lambda term: weights.get(term, 0.0), max_words=5) == ["Not suitable for snow;"]


def test_terms_of_the_title_count_a_quarter() -> None:
    product = Product("A", "Blue mug", "The blue mug is a mug and blue. It has a lid.")
    assert select("blue mug lid", product, max_words=8) == ["It has a lid."]
    other = Product("A", "Cup", product.content)
    assert select("blue mug lid", other, max_words=8) == ["The blue mug is a mug and blue."]


def test_a_sentence_longer_than_the_allowance_is_cut_to_the_words_around_the_asked_term() -> None:
    many = [f"word{number}" for number in range(100)]
    product = Product("A", "Thing", " ".join(many))
    (span,) = select("word70", product, max_words=12)
    assert "word70" in span.split()
    assert span.split() == many[(start := many.index(span.split()[0])) : start + 12]
    assert select("nothing", product, max_words=12) == [" ".join(many[:12])]
    assert select("word99", product, max_words=1) == ["word99"]


PIECES = st.sampled_from(
    ["tent", "snow", "2.4", "kg", "Dr.", "poles.", "Red;", '"So."', "(it)", "fits!", "•", "Mug", "<b>", "é"]
)


@settings(deadline=None, database=None)
@given(st.lists(PIECES, min_size=1, max_size=60).map(lambda p: clean(" ".join(p))), st.integers(1, 25))
def test_spans_are_verbatim_in_order_never_cut_a_word_and_keep_to_the_allowance(content: str, max_words: int) -> None:
    if not content:
        return
    spans = select("snow poles kg", Product("A", "Tent", content), max_words=max_words)
    assert spans
    assert all(spans)
    assert sum(len(span.split()) for span in spans) <= max_words
    whole_words_in_order = ".*".join(rf"(?<!\S){re.escape(span)}(?!\S)" for span in spans)
    assert re.search(whole_words_in_order, content), spans


def test_inverse_document_frequency_is_the_formula_of_bm25() -> None:
    weight = inverse_document_frequency({"mug": 4, "the": 10, "new": 0}.__getitem__, 10)
    assert weight("mug") == pytest.approx(math.log(1 + 6.5 / 4.5))
    assert weight("new") > weight("mug") > weight("the") > 0
