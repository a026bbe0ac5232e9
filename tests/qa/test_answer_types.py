from __future__ import annotations

import pytest

from qa.answer_types import type_evidence
from qa.measures import lacks_type, told_by_title
from retrieval.schema import Product
from tests.fakes import shown


def evidence(question: str, span: str, title: str = "Nice for Mice") -> float:
    return type_evidence(question, [shown(Product("BOOK", title, span), span)])


@pytest.mark.parametrize(
    "question", ["who wrote Nice for Mice?", "who's the author of nice for mice", "quem escreveu?"]
)
def test_who_made_it_is_not_answered_by_words_without_a_name(question: str) -> None:
    assert evidence(question, "A family of mice hunts for supper.") == -4.0
    assert evidence(question, "A family of mice hunts for supper.", title="Nice for Mice by Ann Lee") == 0
    assert evidence(question, "Written by Ann Lee for her sons.") == 0
    assert evidence(question, "The Nice for Mice has four wheels.", title="Nice for Mice Cart, Red") == -4.0
    assert evidence("who makes it?", "Ann Lee Carts have four wheels.", title="Ann Lee Cart") == 0


@pytest.mark.parametrize(
    "question",
    [
        "is it ok for a baby?",
        "what age is Nice for Mice for",
        "can a two year old have it",
        "how old should a kid be",
        "serve para um bebê?",
        "a partir de que idade?",
    ],
)
def test_for_which_age_is_answered_by_an_age(question: str) -> None:
    for span in (
        "Suitable from birth to 3 years.",
        "For ages 2 to 5.",
        "NOT FOR CHILDREN UNDER THREE.",
        "18 months +",
        "36 months",
    ):
        assert evidence(question, span) == 3.0
    for span in (
        "A family of mice hunts for supper.",
        "16 pages, 6 x 6 inches.",
        "Of an appropriate age.",
        "Loved for 30 years.",
    ):
        assert evidence(question, span) == -3.0


def test_an_age_in_the_second_span_that_is_said_counts() -> None:
    product = Product("BOOK", "Nice for Mice", "A family of mice hunts for supper. For ages 2 to 5. Of 16 pages.")
    spans = ("A family of mice hunts for supper.", "For ages 2 to 5.", "Of 16 pages.")
    assert type_evidence("is it ok for a baby?", [shown(product, *spans)]) == 3.0
    assert type_evidence("is it ok for a baby?", [shown(product, spans[0], spans[2], spans[1])]) == -3.0


@pytest.mark.parametrize(
    "question",
    [
        "how many mice are there",
        "How meny pages?",
        "how big is it",
        "number of mice in the nice book",
        "quantas páginas tem?",
    ],
)
def test_an_amount_is_not_told_by_words_without_a_number(question: str) -> None:
    assert lacks_type(question, ["A family of mice hunts for supper.", "Of oak."])
    for told in ("32 pages.", "Twenty-one mice.", "About a pound.", "1½ oz", "A pair of mice."):
        assert not lacks_type(question, ["A family of mice.", told])
    assert evidence(question, "A family of mice hunts for supper.") == -4.0
    assert evidence(question, "A family of ten mice hunts for supper.") == 0


@pytest.mark.parametrize(
    ("question", "told", "other"),
    [
        ("how heavy is it", "Weighs 3.5 lbs.", "Of 16 pages."),
        ("mouse trap wieght", "About a pound.", "Holds 4 mice."),
        ("quanto pesa?", "200g", "200 x 300 mm"),
        ("what height is the KT40 trap", '2-1/4" x 3"', "The KT40 traps 4 mice."),
        ("mouse trap lid diametre", "Two inches across.", "Weighs 3.5 lbs."),
        ("qual é a altura?", "30 cm", "30 g"),
        ("what's the highest temperature it takes", "Up to 450°F.", "Up to 450 mice."),
        ("qual a voltagem da ratoeira", "110V", "110 mice"),
        ("mice book, what year", "In 1998.", "Of 48 pages."),
        ("what colour is it", "Color: plain", "A reduced tank."),
    ],
)
def test_an_amount_is_told_in_its_unit(question: str, told: str, other: str) -> None:
    assert not lacks_type(question, ["A family of mice.", told])
    assert lacks_type(question, ["A family of mice.", other])


@pytest.mark.parametrize(
    "question",
    ["which mice hunt?", "how do they hunt?", "what happens in a year?", "a weight lifting mouse, which book?"],
)
def test_where_no_amount_is_asked_for_none_is_missed(question: str) -> None:
    assert not lacks_type(question, ["A family of mice hunts for supper."])


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Reed Pens, Black, 3-Count", "3-Count"),
        ("Labels, White, Pack of 252 (5230)", "Pack of 252"),
        ("Markers, Assorted, 24/Pack", "24/Pack"),
        ("315 Pieces Roll Pins", "315 Pieces"),
        ("Folders, Letter Size, 25 per box", "25 per box"),
        ("Box of Pins, 3 inch", None),
        ("Six Pockets", None),
    ],
)
def test_a_title_may_tell_how_many_are_in_a_pack(title: str, number: str | None) -> None:
    assert told_by_title("how many do I get", ["They are new."], title) == number
    assert told_by_title("how long are they?", ["They are new."], title) is None
    assert evidence("how many do I get", "They are new.", title) == (3.0 if number else -4.0)


def test_a_title_may_tell_how_many_of_a_thing() -> None:
    question, title = "how many tricks come with the trunk?", "Magic Trunk, 75 Tricks"
    ranked = "The tricks are ranked with one to three top hats."
    assert told_by_title(question, [ranked], title) == "75 Tricks"
    assert evidence(question, ranked, title) == 3.0
    assert told_by_title(question, ["Props for seventy-five tricks."], title) is None
    assert told_by_title(question, [ranked], "Magic Trunk 75, Tricks of Masters") is None


@pytest.mark.parametrize(
    ("title", "colour"),
    [
        ("Stylus (Jet Black)", "Jet Black"),
        ("Clipboard, Red, 1 Clipboard", "Red"),
        ("Pen, Black/White (589)", "Black/White"),
        ("Folio Case - Saddle Brown", "Saddle Brown"),
        ("The Red Badge of Courage", None),
        ("Orange Juice", None),
    ],
)
def test_a_title_may_tell_the_colour(title: str, colour: str | None) -> None:
    question = "what colour is it?"
    assert told_by_title(question, ["It is new."], title) == colour
    assert evidence(question, "It is new.", title) == (3.0 if colour else -4.0)
    assert evidence(question, "It is blue.", title) == 0


def test_other_questions_expect_no_type() -> None:
    for question in (
        "what does the author of Nice for Mice like?",
        "how old is the hero?",
        "a book about a baby",
        "puzzle for 5 year old",
        "gift for a baby",
    ):
        assert evidence(question, "For ages 2 to 5.") == 0
    assert type_evidence("who wrote it?", ()) == 0
