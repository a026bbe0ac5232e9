from __future__ import annotations

import pytest

from qa.citations import supported, trace
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
