from __future__ import annotations

import pytest

from qa.answer_types import type_evidence
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
