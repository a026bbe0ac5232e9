from __future__ import annotations

import pytest

from qa.answers import Citation
from qa.citations import is_quote, supported, trace, with_negation
from retrieval.schema import Product

TENT = Product(
    "TENT1", "Ridge Two Tent", "Sleeps two people. Weighs 2.4 kg. Not suitable for snow. Made by Alder & Co."
)
MUG = Product("MUG1", "Harbour Mug", "Holds 300 ml. Dishwasher safe.")


@pytest.mark.parametrize(
    ("statement", "quote"),
    [
        ("It weighs 2.4 kg.", "Weighs 2.4 kg."),
        ("The Ridge Two Tent sleeps two people.", "Sleeps two people."),
        ("The tent is not suitable for snow.", "Not suitable for snow."),
        ("Made by Alder & Co.", "Made by Alder & Co."),
    ],
)
def test_a_statement_made_of_a_sentence_is_traced_to_it(statement: str, quote: str) -> None:
    citation = trace(statement, [MUG, TENT])
    assert citation is not None
    assert (citation.uid, citation.quote) == ("TENT1", quote)
    assert citation.quote in TENT.content


@pytest.mark.parametrize(
    "statement",
    [
        "It weighs 2.5 kg.",  # another number
        "It weighs 2.4 lb.",  # another unit
        "The tent is suitable for snow.",  # the negation is lost
        "It does not weigh 2.4 kg.",  # a negation is added
        "Written by Alder Smith.",  # a name that is not there
        "Sleeps two people and weighs 2.4 kg.",  # joins two sentences: traced sentence by sentence only
        "It holds 300 ml and sleeps two people.",  # mixes two products
        "Yes.",
        "It is the.",
        "",
    ],
)
def test_what_a_single_sentence_does_not_hold_is_not_traced(statement: str) -> None:
    assert trace(statement, [TENT, MUG]) is None


RAFT = Product("RAFT1", "Raft", "It is machine washable but not waterproof. No sun, sand or salt water. Washable.")


@pytest.mark.parametrize(
    ("statement", "is_traced"),
    [
        ("The raft is machine washable but not waterproof.", True),
        ("It is not waterproof.", True),
        ("No sun, sand or salt water.", True),
        ("It is waterproof but not machine washable.", False),
        ("It is not machine washable.", False),
        ("No salt water.", False),  # perhaps: the sentence is quoted instead
    ],
)
def test_what_a_statement_negates_its_source_negates(statement: str, is_traced: bool) -> None:
    assert (trace(statement, [RAFT]) is not None) == is_traced


DRUM = Product(
    "DRUM1", "Oil Drum 205", "Weighs 13 kg or 28.5 lb empty.Not stackable. No lid, tap or seal of any kind. It's blue."
)


@pytest.mark.parametrize(
    "said", ["13 kg", "28.5 lb", "Drum 205", "Not stackable.", "Weighs 13 kg or 28.5 lb empty.", "It's blue"]
)
def test_whole_words_are_a_quote(said: str) -> None:
    assert is_quote(said, DRUM)


@pytest.mark.parametrize("said", ["3 kg", "5 lb", "28", "rum", "It", "20", "stackable", "seal", "lid.", "", ".", " "])
def test_parts_of_words_and_what_is_negated_are_no_quote(said: str) -> None:
    assert not is_quote(said, DRUM)


def test_words_that_are_negated_anywhere_are_no_quote() -> None:
    assert not is_quote("waterproof", Product("BAG1", "Bag", "A waterproof bag. The seams are not waterproof."))


def test_a_piece_is_quoted_with_the_piece_that_negates_it() -> None:
    held = " ".join(f"part {number}" for number in range(1, 15))
    listing = Product("KIT1", "Kit", f"This kit of small parts holds {held}, never comes with batteries, or a case.")
    assert with_negation("or a case.", listing) == "never comes with batteries, or a case."
    assert with_negation("batteries, or a case.", RAFT) == "batteries, or a case."
    assert with_negation("Washable.", RAFT) == "Washable."


@pytest.mark.parametrize(
    ("quote", "content", "start"),
    [("2 kg.", "Weight 12 kg. 2 kg.", 14), ("5 lb", "0.5 lb, 5 lb", 8), ("proof", "waterproof", 5)],
)
def test_a_citation_points_to_whole_words_where_there_are_any(quote: str, content: str, start: int) -> None:
    for product in (Product("X", "Gizmo", content), Product("X", content, "A gizmo.")):
        assert Citation.of(product, quote).start == start


def test_a_sentence_that_was_cut_off_is_left_out() -> None:
    cut = "It weighs 2.4 kg. The tent sleeps"
    assert [said for said, _ in supported(cut, [TENT])] == ["It weighs 2.4 kg."]
    assert [said for said, _ in supported(cut, [TENT], ended=False)] == ["It weighs 2.4 kg."]
    assert supported("It weighs 2.4 kg.", [TENT], ended=False) == []
    assert [said for said, _ in supported("2.4 kg", [TENT])] == ["2.4 kg"]


def test_only_the_sentences_that_can_be_traced_come_out() -> None:
    said = "1. It weighs 2.4 kg. It was written by Ann Lee. It weighs 2.4 kg. 2."
    assert [(statement, source.quote) for statement, source in supported(said, [TENT])] == [
        ("It weighs 2.4 kg.", "Weighs 2.4 kg.")
    ]
