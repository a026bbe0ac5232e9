from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.lexical import inverse_document_frequency
from retrieval.query import Query, Wanted, parse_question
from retrieval.schema import Product
from retrieval.snippet import PIECE_WORDS, candidates, lead, pieces, take_best, take_first
from retrieval.text import clean, sentences

CONTENT = (
    "The tent sleeps two people. Its poles are of aluminium. It weighs 2.4 kg with pegs. "
    "The floor keeps water out. Not suitable for snow; colour: red. Made by Alder."
)


def test_sentences_are_pieces_and_long_ones_are_cut_at_their_clauses() -> None:
    assert pieces(CONTENT) == sentences(CONTENT)
    clauses = [" ".join(f"word{number}" for number in range(start, start + 20)) for start in range(0, 60, 20)]
    assert pieces(", ".join(clauses) + ".") == [f"{clauses[0]},", f"{clauses[1]},", f"{clauses[2]}."]
    assert [len(piece.split()) for piece in pieces("word " * 80)] == [35, 35, 10]


def test_candidates_are_the_title_and_the_sixteen_pieces_with_the_most_of_the_question() -> None:
    filler = " ".join(f"Line {number} tells little." for number in range(30))
    product = Product("A", "Ridge Tent", f"{filler} Its poles are of aluminium. {filler}")
    title, *found = candidates(parse_question("what are the poles of the ridge tent made of?"), product)
    assert title == "Ridge Tent"
    assert len(found) == 16
    assert "Its poles are of aluminium." in found
    assert found == sorted(found, key=product.content.index)


def test_heavier_terms_win() -> None:
    filler = [f"Line {number} has poles." for number in range(20)]
    product = Product("A", "Tent", " ".join([*filler, "Not for snow."]))
    wanted = (Wanted(("pole",), 1.0), Wanted(("snow",), 3.0))
    assert "Not for snow." in candidates(Query("poles snow", wanted, ()), product)


def test_the_best_spans_come_first_and_one_that_does_not_fit_makes_room() -> None:
    spans = ["a b c", "d " * 40, "e f", "g " * 30]
    assert take_best(spans, [1.0, 3.0, 2.0, 2.5], max_words=60) == (spans[1], "e f", "a b c")
    assert take_best(["a", "b"], [1.0, 1.0], max_words=60) == ("a", "b")
    assert take_best(["word " * PIECE_WORDS], [1.0], max_words=1) == ("word " * PIECE_WORDS,)
    assert take_best([], [], max_words=60) == ()


def test_the_first_spans_come_in_their_order_and_one_that_does_not_fit_makes_room() -> None:
    assert take_first(["a b", "c d e", "f", "g"], 4) == ("a b", "f", "g")
    assert take_first(["a b"], 1) == take_first([], 9) == ()


PIECES = st.sampled_from(
    ["tent", "snow", "2.4", "kg", "Dr.", "poles.", "Red;", '"So."', "(it)", "fits!", "•", "Mug", "<b>", "é"]
)


@settings(deadline=None, database=None)
@given(st.lists(PIECES, min_size=1, max_size=120).map(lambda p: clean(" ".join(p))))
def test_pieces_are_the_content_word_for_word_and_none_is_too_long(content: str) -> None:
    found = pieces(content)
    assert " ".join(found).split() == content.split()
    assert all(re.search(rf"(?<!\S){re.escape(piece)}(?!\S)", content) for piece in found)
    assert all(len(piece.split()) <= PIECE_WORDS for piece in found)


@settings(deadline=None, database=None)
@given(st.text(max_size=300), st.text(min_size=1, max_size=40))
def test_candidates_are_verbatim_spans_of_any_text(content: str, asked: str) -> None:
    product = Product("A", clean("Ridge Tent"), clean(content) or "x")
    query = Query(asked, (Wanted((asked,)),), ())
    title, *spans = candidates(query, product)
    assert title == product.title
    assert all(span in " ".join(product.content.split()) for span in spans)
    assert len(spans) == len(set(spans)) <= 16
    scores = [float(len(span)) for span in spans]
    taken = take_best(spans, scores, 20)
    assert set(taken) <= set(spans)
    assert sum(len(span.split()) for span in taken) <= PIECE_WORDS


def test_inverse_document_frequency_is_the_formula_of_bm25() -> None:
    weight = inverse_document_frequency({"mug": 4, "the": 10, "new": 0}.__getitem__, 10)
    assert weight("mug") == pytest.approx(math.log(1 + 6.5 / 4.5))
    assert weight("new") > weight("mug") > weight("the") > 0


def test_a_lead_is_the_beginning_and_what_is_taken_anyway_in_the_order_of_the_content() -> None:
    content = "One two three. Four five. Six seven eight nine. Ten."
    assert lead(content, 5) == ("One two three.", "Four five.")
    assert lead(content, 4, ("Ten.",)) == ("One two three.", "Ten.")
    assert lead(content, 1, ()) == ("One two three.",)
    assert lead(content, 1, ("Ten.",)) == ("Ten.",)
    assert lead(content, 100, ("Four five.",)) == tuple(pieces(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Does not contain: • parabens • lanolin • alcohol.", ["Does not contain: • parabens • lanolin • alcohol."]),
        ("Do not use on • marble • wood. Fits all.", ["Do not use on • marble • wood.", "Fits all."]),
        ("Not included: battery; case; Of tin.", ["Not included: battery; case; Of tin."]),
        ("• Not waterproof • Machine washable", ["• Not waterproof", "• Machine washable"]),
        ("Do not bleach; tumble dry low;", ["Do not bleach;", "tumble dry low;"]),
        ("Included: • charger • cable", ["Included:", "• charger", "• cable"]),
        ("Q: Is it safe? A: Yes. Q: How big? A: 2 l.", ["Q: Is it safe? A: Yes.", "Q: How big? A: 2 l."]),
    ],
)
def test_what_is_said_of_words_stays_with_them(content: str, expected: list[str]) -> None:
    assert pieces(content) == expected


def test_no_piece_begins_behind_the_word_that_negates_it() -> None:
    content = " ".join(["word"] * 34 + ["not", "waterproof", "and", "red"])
    assert pieces(content)[1] == "not waterproof and red"
    long = "Contains no: " + " ".join(f"thing{number};" for number in range(60))
    assert len(pieces(long)) == 1


def test_writing_without_spaces_is_cut_too() -> None:
    assert pieces("好。" * 3) == ["好。"] * 3
    assert {len(piece) for piece in pieces("ไ" * 1_000)} == {400, 200}
