from __future__ import annotations

import pytest

from qa.conversation import ask_back, is_reply, lookalikes_named, meant_by
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
        ("(2)", [VINES]),
        ("2", [VINES]),
        ("one", [OWL]),
        ("option 3", [LEOPARD]),
        ("the last one", [LEOPARD]),
        ("how many seconds?", list(CASES)),
        ("not the owl", [VINES, LEOPARD]),
        ("the one that doesn't have an owl", [VINES, LEOPARD]),
        ("not the first one, the leopard", [LEOPARD]),
        ("neither the owl nor the leopard", [VINES]),
        ("the green one", list(CASES)),
        ("the snap on one", list(CASES)),
    ],
)
def test_a_reply_names_products_by_their_own_words_or_by_place(reply: str, meant: list[Product]) -> None:
    assert list(meant_by(parse_question(reply), CASES)) == meant


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("2", "B"),
        ("(2)", "B"),
        ("the second one", "B"),
        ("the 2 person one", "AC"),
        ("4", "B"),
        ("3", "C"),
        ("not the 4 person one", "AC"),
        ("the 2 person one without footprint", "A"),
    ],
)
def test_a_number_alone_is_a_place_unless_it_is_in_one_title_only(reply: str, meant: str) -> None:
    titles = {"A": "Trek 2 Person Tent", "B": "Trek 4 Person Tent", "C": "Trek 2 Person Tent Footprint"}
    tents = [Product(uid, title, "It is green.") for uid, title in titles.items()]
    assert "".join(product.uid for product in meant_by(parse_question(reply), tents)) == meant


@pytest.mark.parametrize(("reply", "meant"), [("2", "A"), ("(2)", "B"), ("option 2", "B"), ("the second one", "B")])
def test_what_is_said_as_a_place_is_one_whatever_the_titles_hold(reply: str, meant: str) -> None:
    tents = [Product("A", "Trek 2 Person Tent", "It is green."), Product("B", "Trek 4 Person Tent", "It is green.")]
    assert "".join(product.uid for product in meant_by(parse_question(reply), tents)) == meant


def test_a_word_of_denial_in_a_title_is_a_name() -> None:
    with_stand, without = Product("W", "Case with Stand", "Snaps on."), Product("O", "Case without Stand", "Snaps on.")
    assert meant_by(parse_question("the one without stand"), (with_stand, without)) == (without,)


def test_contents_tell_apart_what_titles_do_not() -> None:
    short, long = Product("S", "Cable", "It is 1 m long."), Product("L", "Cable", "It is 2 m long.")
    assert meant_by(parse_question("2 m"), (short, long)) == (long,)
    assert meant_by(parse_question("the two metre one"), (short, long)) == (long,)


def test_products_of_equal_titles_are_told_apart_by_their_contents() -> None:
    ticking = Product("T", "Orlo Wall Clock", "A wall clock of 30 cm in diameter. It ticks aloud.")
    silent = Product("S", "Orlo Wall Clock", "A wall clock of 45 cm in diameter. It is silent.")
    same = Product("X", "Orlo wall clock!", "A wall clock of 30 cm in diameter. It ticks aloud!")
    hits = [Hit(product, rank, 1.0, cosine=0.5) for rank, product in enumerate((ticking, silent, same), start=1)]
    asked = parse_question("what is the diameter of the orlo wall clock?")
    assert lookalikes_named(asked, hits[:2]) == (ticking, silent)
    assert lookalikes_named(asked, [hits[0], hits[2]]) == (ticking,)
    assert lookalikes_named(parse_question("is the orlo wall clock silent?"), hits[:2]) == (silent,)
    told = ask_back([ticking, silent])
    assert told == "2 products fit equally: (1) 30 cm in diameter; (2) 45 cm in diameter. Which one do you mean?"
    assert is_reply(parse_question("the 45 cm one"), asked, [ticking, silent])
    assert meant_by(parse_question("the 45 cm one"), [ticking, silent]) == (silent,)


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
    given = pipeline.answer("is the red one dishwasher safe?", product="MUG1", previous=asked)
    assert given.product.uid == "MUG1"
    assert pipeline.answer("is it of stoneware?", product="MUG1", previous=settled).product.uid == "MUG1"


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
        ("and people, how many?", "TENT1"),
        ("what about the weight?", "TENT1"),
        ("is it true that the lighthouse cat is for ages 3 to 6?", "BOOK2"),
        ("which bulb does the desk lamp take?", "LAMP1"),
        ("and a tent that sleeps two people?", "TENT1"),
    ]
    for question, uid in asked:
        assert chat.ask(question).product.uid == uid, question
    assert chat.ask("the harbour mug, is it dishwasher safe?").status == "ambiguous"
    assert chat.ask("the blue one").product.uid == "MUG1"
    assert chat.ask("and is it of stoneware?").product.uid == "MUG1"


@pytest.mark.parametrize(
    ("said", "is_of_the_cases"),
    [
        ("the owl please", True),
        ("not the owl", True),
        ("I meant the second one", True),
        ("does the owl one snap on?", True),
        ("do you have an owl lamp?", False),
        ("how many seconds does the second kettle need?", False),
        ("the hard case", False),
    ],
)
def test_what_speaks_of_something_else_is_no_reply(said: str, is_of_the_cases: bool) -> None:
    asked = parse_question("does the doubleplay case snap on?")
    assert is_reply(parse_question(said), asked, CASES) == is_of_the_cases


def test_a_new_question_is_not_taken_for_a_reply(index: HybridIndex) -> None:
    chat = pipeline_over(index, ScriptedGenerator()).chat()
    assert chat.ask("is the harbour mug dishwasher safe?").status == "ambiguous"
    assert chat.ask("is there a red bulb for the desk lamp?").product.uid == "LAMP1"


def test_a_telling_word_of_a_title_names_another_product(index: HybridIndex) -> None:
    chat = pipeline_over(index, ScriptedGenerator()).chat()
    assert chat.ask("how heavy is the ridge two tent?").product.uid == "TENT1"
    assert chat.ask("how long is the cord of the desk one, and does it take an e27 bulb?").product.uid == "LAMP1"
