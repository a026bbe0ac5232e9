from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval.errors import QuestionError
from retrieval.query import MAX_QUESTION_CHARACTERS, MAX_QUESTION_WORDS, parse_question


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("what is the harbour mug", "harbour mug"),
        ("What's the harbour mug?", "harbour mug?"),
        ("tell me about harbour mug", "harbour mug"),
        ("Tell us more about the harbour mug", "harbour mug"),
        ("Hi there, can you please tell me about the harbour mug", "harbour mug"),
        ("hello! do you have any harbour mug", "harbour mug"),
        ("I'm looking for a harbour mug", "harbour mug"),
        ("i would like to know more about this harbour mug", "harbour mug"),
        ("what kind of harbour mug", "harbour mug"),
        ("how about that harbour mug", "harbour mug"),
        ("give me info on harbour mug", "harbour mug"),
        ("me fale sobre a harbour mug", "harbour mug"),
        ("Oi, o que é a harbour mug", "harbour mug"),
        ("qual é o harbour mug", "harbour mug"),
        ("vocês vendem harbour mug", "harbour mug"),
        ("estou procurando um harbour mug", "harbour mug"),
    ],
)
def test_the_frame_of_a_question_is_taken_off(question: str, rest: str) -> None:
    query = parse_question(question)
    assert query.text == question
    assert query.terms == ("harbour", "mug")
    assert (query.phrases[0], query.phrases[-1]) == (question, rest)


def test_every_stage_of_a_question_may_be_a_title() -> None:
    assert parse_question("Please tell me about what is art?").phrases == (
        "Please tell me about what is art?",
        "tell me about what is art?",
        "what is art?",
        "art?",
    )


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("What If?", ("what", "if")),
        ("tell me about What If?", ("what", "if")),
        ("The Who", ("the", "who")),
        ("who is who", ("who",)),
        ("tell me about", ("about",)),
        ("please", ("pleas",)),
        ("please!", ("pleas",)),
    ],
)
def test_a_question_of_question_words_alone_keeps_them(question: str, kept: tuple[str, ...]) -> None:
    assert parse_question(question).terms == kept


def test_question_words_inside_a_question_are_no_terms_and_terms_come_once() -> None:
    assert parse_question("is the mug for the dishwasher, the blue mug?").terms == ("mug", "dishwash", "blue")


@pytest.mark.parametrize(
    "question", ["tellme about mugs", "whatever the mug", "Tell Tale Heart", "Showtime poster", "Himalaya tent"]
)
def test_a_word_that_only_begins_like_a_frame_is_kept(question: str) -> None:
    assert parse_question(question).phrases == (question,)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Что такое чайник?", "чайник"),
        ("日本語の本", "日本語の本"),
        ("كوب أزرق", "كوب"),
        ("Is the CAFÉ Crème tasty?", "creme"),
        ("what is 青い", "青い"),
    ],
)
def test_other_scripts_and_accents_give_terms(question: str, found: str) -> None:
    assert found in parse_question(question).terms


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "The question is empty"),
        (" \n\t ", "The question is empty"),
        ("?!… ---", "has no word in it"),
        ("_", "has no word in it"),
        ("a mug \ud83d?", "holds half of a UTF-16 surrogate pair"),
        ("x" * (MAX_QUESTION_CHARACTERS + 1), "has 2,001 characters; at most 2,000 are read"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(question: str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        parse_question(question)


@pytest.mark.parametrize("frame", ["", "what is ", "o que é "])
def test_a_word_too_long_for_an_index_is_asked_for_all_the_same(frame: str) -> None:
    long = "このテントはどのくらいの重さですか教えてくださいね"
    assert parse_question(f"{frame}{long}?").terms == (long,)
    assert parse_question(f"{frame}{long} tent").terms == ("tent",)


def test_white_space_is_folded_before_length_counts() -> None:
    spaced = "blue" + " " * MAX_QUESTION_CHARACTERS + "mug\n"
    assert parse_question(spaced).text == "blue mug"


def test_a_long_question_is_read_up_to_its_64th_word() -> None:
    many = [f"word{number}" for number in range(MAX_QUESTION_WORDS + 10)]
    query = parse_question(" ".join(many))
    assert query.text.split() == list(query.terms) == many[:MAX_QUESTION_WORDS]
    exact = " ".join(many[:MAX_QUESTION_WORDS])
    assert parse_question(exact).text == exact


@settings(deadline=None, database=None)
@given(st.text(min_size=1, max_size=80))
@example("_")
@example("x" * 41)
@example("o que _ é")
@example("! " * 64 + "mug")
def test_a_question_is_refused_or_has_terms_and_phrases(question: str) -> None:
    try:
        query = parse_question(question)
    except QuestionError:
        return
    assert query.terms
    assert query.phrases[0] == query.text
    assert all(query.text.endswith(phrase) for phrase in query.phrases)
