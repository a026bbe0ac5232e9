from __future__ import annotations

import pytest

from retrieval.index import HybridIndex
from retrieval.spelling import Speller

COUNTS = {
    "fountain": 40,
    "foundat": 39,
    "length": 600,
    "lenght": 1,
    "light": 700,
    "tent": 9,
    "cat": 50,
    "cart": 60,
    "e27": 3,
}


def with_prefix(prefix: str) -> list[tuple[str, int]]:
    return [(term, count) for term, count in COUNTS.items() if term.startswith(prefix)]


@pytest.mark.parametrize(
    ("term", "alternatives"),
    [
        ("fountin", ("fountain",)),  # dropped letter
        ("fuontain", ("fountain",)),  # transposed
        ("fountani", ("fountain",)),  # nothing closer is known
        ("lenght", ("length",)),  # known, but a hundred times rarer
        ("fontan", ("fountain",)),  # two errors in a long term
        ("tint", ("tent",)),
        ("tentt", ("tent",)),
        ("fountain", ()),  # right
        ("cat", ()),  # too short to tell
        ("e28", ()),  # a model number is not a word
        ("zzzzzz", ()),
    ],
)
def test_likely_spellings_are_those_the_catalogue_has(term: str, alternatives: tuple[str, ...]) -> None:
    assert Speller(with_prefix).alternatives(term) == alternatives


def test_a_misspelt_rare_word_still_finds_its_product(index: HybridIndex) -> None:
    assert index.query("the lighthuose book").terms == ("lighthuos", "lighthous", "book")
    assert index.search("lighthuose")[0].product.uid == "BOOK2"


def test_a_right_question_is_left_as_it_is(index: HybridIndex) -> None:
    assert index.query("blue harbour mug").terms == ("blue", "harbour", "mug")
