from __future__ import annotations

import json

import pytest

from retrieval.index import HybridIndex
from retrieval.portuguese import LEXICON, entries, fold, is_portuguese
from retrieval.query import parse_question
from tests.conftest import SAMPLE


@pytest.mark.parametrize(
    ("question", "portuguese"),
    [
        ("quantas páginas tem o livro?", True),
        ("capa de couro pro blackberry", True),
        ("quanto pesa a barraca de duas pessoas", True),
        ("how many pages does the book have?", False),
        ("a case for my radio", False),
        ("El libro rojo", False),
        ("blue mug", False),
        ("de", False),
    ],
)
def test_portuguese_is_told_from_english(question: str, portuguese: bool) -> None:
    assert is_portuguese(question) == portuguese


def test_no_question_about_the_sample_is_taken_for_the_other_language() -> None:
    with (SAMPLE / "questions.jsonl").open(encoding="utf-8") as lines:
        asked = [json.loads(line) for line in lines]
    assert len(asked) > 100
    assert [q["question"] for q in asked if is_portuguese(q["question"]) != (q["lang"] == "pt")] == []


def test_expressions_are_looked_up_before_their_words() -> None:
    found = {entry.said: entry.english for entry in entries("o fone de ouvido vermelho da Zorble")}
    assert found["fone de ouvido"][0] in ("headphones", "headphone", "earphones", "earphone", "headset")
    assert found["vermelho"] == ("red",)
    assert found["Zorble"] == ()
    assert not {"o", "da", "de"} & set(found)


def test_a_portuguese_question_asks_for_english_words_too() -> None:
    query = parse_question("quanto pesa a barraca vermelha?")
    assert tuple(term for term in query.terms if term == "red") == ("red",)
    assert "tent" in query.terms
    assert "tent" in query.english
    assert query.text == "quanto pesa a barraca vermelha?"
    assert parse_question("how heavy is the tent?").translation == ""


def test_a_portuguese_question_finds_its_product(index: HybridIndex) -> None:
    assert index.search("vocês têm uma caneca azul?")[0].product.uid == "MUG1"
    assert index.search("quanto pesa a barraca?")[0].product.uid == "TENT1"


def test_the_lexicon_is_well_formed() -> None:
    lines = LEXICON.read_text(encoding="utf-8").splitlines()
    keys = [line.split("\t")[0] for line in lines]
    assert len(keys) == len(set(keys)) > 1_800
    for line in lines:
        said, english = line.split("\t")
        assert said == fold(said).strip()
        assert 1 <= len(said.split()) <= 3
        assert all(alternative.strip() for alternative in english.split("|"))
