from __future__ import annotations

import pytest

from qa.conversation import ask_back, lookalikes_named, meant_by
from retrieval.index import HybridIndex
from retrieval.query import parse_question
from retrieval.schema import Hit, Product
from tests.fakes import ScriptedGenerator, pipeline_over

OWL = Product("OWL", "Doubleplay Hard Case, Owl Design", "It snaps on.")
VINES = Product("VINES", "Doubleplay Hard Case, Purple Vines Design", "It snaps on.")
LEOPARD = Product("LEO", "Doubleplay Hard Case, Leopard Design", "It snaps on.")
CASES = (OWL, VINES, LEOPARD)


def test_what_tells_products_apart_is_said_in_words_of_their_titles() -> None:
    asked = ask_back(CASES)
    assert asked == "3 products fit equally: (1) Owl; (2) Purple Vines; (3) Leopard. Which one do you mean?"


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("the owl", [OWL]),
        ("purple please", [VINES]),
        ("the third one", [LEOPARD]),
        ("a segunda", [VINES]),
        ("vines or leopard", [VINES, LEOPARD]),
        ("the green one", list(CASES)),
        ("the snap on one", list(CASES)),
    ],
)
def test_a_reply_names_products_by_their_own_words_or_by_place(reply: str, meant: list[Product]) -> None:
    assert list(meant_by(parse_question(reply), CASES)) == meant


def test_contents_tell_apart_what_titles_do_not() -> None:
    short, long = Product("S", "Cable", "It is 1 m long."), Product("L", "Cable", "It is 2 m long.")
    assert meant_by(parse_question("2 m"), (short, long)) == (long,)
    assert meant_by(parse_question("the two metre one"), (short, long)) == (long,)


def test_lookalikes_are_asked_back_for_and_the_reply_settles_it(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator())
    asked = pipeline.answer("is the harbour mug dishwasher safe?")
    assert asked.status == "ambiguous"
    assert {product.uid for product in asked.candidates} == {"MUG1", "MUG2"}
    assert (asked.product, asked.citations) == (None, ())
    assert "Blue" in asked.text
    assert "Red" in asked.text
    still = pipeline.answer("the good one", previous=asked)
    assert (still.status, still.candidates) == ("ambiguous", asked.candidates)
    settled = pipeline.answer("the red one", previous=asked)
    assert (settled.status, settled.product.uid, settled.question) == ("answered", "MUG2", asked.question)


@pytest.mark.parametrize(
    ("question", "uid"),
    [("is the red harbour mug dishwasher safe?", "MUG2"), ("how heavy is the ridge tent?", "TENT1")],
)
def test_a_question_that_means_one_product_is_not_asked_back(index: HybridIndex, question: str, uid: str) -> None:
    query = index.query(question)
    assert [product.uid for product in lookalikes_named(query, index.search_queries([query], 4)[0])] == [uid]
    assert lookalikes_named(query, []) == ()


def test_the_lookalike_that_is_named_is_answered_from_wherever_the_search_puts_it(
    index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    mugs = [Hit(index.product(uid), rank, 1.0, cosine=0.5) for rank, uid in enumerate(("MUG1", "MUG2", "TENT1"), 1)]
    monkeypatch.setattr(HybridIndex, "search_queries", lambda self, queries, k: [mugs for _ in queries])
    answer = pipeline_over(index, ScriptedGenerator()).answer("is the red harbour mug dishwasher safe?")
    assert answer.product.uid == "MUG2"
    assert list(answer.hits) == mugs


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("does the ringway binder open flat?", ["A", "B", "C"]),
        ("does the ringway 1.5 binder open flat?", ["A"]),
        ("does the ringway k40 binder open flat?", ["C"]),
        ("does the ringway k4 binder open flat?", ["A", "B", "C"]),
    ],
)
def test_a_number_tells_lookalikes_apart_whole_or_by_a_piece(question: str, meant: list[str]) -> None:
    titles = {
        "A": "Ringway Binder, 1.5 in, 5 Rings",
        "B": "Ringway Binder, 1 in, 5 Rings",
        "C": "Ringway Binder RTK40, 1 in",
    }
    products = [Product(uid, title, "It opens flat.") for uid, title in titles.items()]
    hits = [Hit(product, rank, 1.0, cosine=0.5) for rank, product in enumerate(products, start=1)]
    assert [product.uid for product in lookalikes_named(parse_question(question), hits)] == meant


def test_a_conversation_keeps_the_product_in_focus_until_another_is_named(index: HybridIndex) -> None:
    chat = pipeline_over(index, ScriptedGenerator()).chat()
    asked = [
        ("how many people sleep in the ridge two tent?", "TENT1"),
        ("and how heavy is it?", "TENT1"),
        ("does it stand snow?", "TENT1"),
        ("is it true that the lighthouse cat is for ages 3 to 6?", "BOOK2"),
        ("which bulb does the desk lamp take?", "LAMP1"),
    ]
    for question, uid in asked:
        assert chat.ask(question).product.uid == uid, question
    assert chat.ask("the harbour mug, is it dishwasher safe?").status == "ambiguous"
    assert chat.ask("the blue one").product.uid == "MUG1"
    assert chat.ask("and is it of stoneware?").product.uid == "MUG1"
