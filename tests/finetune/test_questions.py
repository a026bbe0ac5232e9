from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from rapidfuzz.distance import OSA

from finetune.questions import KINDS, NOISES, SHARES, generate
from finetune.questions.cli import add_parser
from finetune.questions.corpus import Corpus
from finetune.questions.generation import MOST_USES, resolve_shares
from finetune.questions.mentions import brand_and_kind, partial_title
from finetune.questions.names import name_of
from finetune.questions.noise import cut_off, misspelt
from finetune.questions.phrases import phrases_of
from finetune.questions.portuguese import translated
from finetune.questions.wording import content_terms
from retrieval import console
from retrieval.catalog import Catalogue
from retrieval.errors import UsageError
from retrieval.index import HybridIndex
from retrieval.portuguese import is_portuguese
from retrieval.question_file import Question, read_questions
from retrieval.schema import Product
from retrieval.text import terms, words
from tests.conftest import ROOT, SAMPLE

COUNT = 400


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.read([SAMPLE / "trn.json"])


@pytest.fixture(scope="module")
def questions(catalogue: Catalogue) -> list[Question]:
    return generate(catalogue, COUNT, seed=5)


@pytest.fixture(scope="module")
def by_uid(catalogue: Catalogue) -> dict[str, Product]:
    return {uid: product for product in catalogue for uid in (product.uid, *product.twins)}


def of(questions: list[Question], maker: str, lang: str = "en") -> list[Question]:
    found = [question for question in questions if question.maker == maker and question.lang == lang]
    assert found, f"no question of kind {maker}"
    return found


def listing(product: Product) -> frozenset[str]:
    return frozenset(terms(f"{product.title} {product.content}"))


def test_every_kind_comes_in_its_share(questions: list[Question]) -> None:
    assert len(questions) == COUNT
    made = Counter(question.maker for question in questions)
    for kind, share in SHARES.items():
        assert made[kind] >= 0.7 * share * COUNT, kind
    assert sum(question.lang == "pt" for question in questions) == pytest.approx(NOISES["pt"] * COUNT, abs=0.02 * COUNT)
    assert {question.noise for question in questions} == {"none", "vague", "partial", "typo"}


def test_equal_arguments_give_equal_questions_under_any_hash_seed(
    catalogue: Catalogue, questions: list[Question]
) -> None:
    script = (
        "from dataclasses import asdict; import json; from finetune.questions import generate;"
        "from retrieval.catalog import Catalogue;"
        f"print(json.dumps([asdict(q) for q in generate(Catalogue.read(['{SAMPLE / 'trn.json'}']), 60, seed=3)]))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert [Question(**row | {"uids": tuple(row["uids"])}) for row in json.loads(told[0])] == generate(
        catalogue, 60, seed=3
    )
    assert generate(catalogue, COUNT, seed=6) != questions


def test_no_question_is_asked_twice_and_no_product_too_often(
    questions: list[Question], by_uid: dict[str, Product]
) -> None:
    about_one = [question for question in questions if question.kind not in ("absent", "ambiguous")]
    uses = Counter(question.uids[0] for question in about_one)
    assert max(uses.values()) <= MOST_USES
    assert len({(question.uids[0], question.maker, question.lang) for question in about_one}) == len(about_one)
    assert len({question.question for question in questions}) == len(questions)
    assert len(uses) > len(by_uid) / 3


def test_people_ask_in_few_words_and_often_without_capitals(questions: list[Question]) -> None:
    lengths = sorted(len(question.question.split()) for question in questions)
    assert 5 <= lengths[len(lengths) // 2] <= 12
    assert lengths[-1] <= 30
    lower = sum(question.question == question.question.lower() for question in questions)
    assert 0.4 < lower / len(questions) < 0.85
    assert sum("?" in question.question for question in questions) < 0.6 * len(questions)


def test_twins_are_right_answers_too() -> None:
    products = [
        Product(
            "A", "Otterby Copper Kettle", "A kettle of hammered copper with an oak handle. Holds 1.5 liters.", ("A2",)
        ),
        Product("B", "Otterby Enamel Teapot", "A teapot of white enamel with a woven basket. Holds 1 liter."),
    ]
    asked = generate(products, 12, seed=1)
    assert any("A" in question.uids for question in asked)
    assert all(("A" in question.uids) == ("A2" in question.uids) for question in asked)


def test_every_product_that_fits_is_named(
    questions: list[Question], catalogue: Catalogue, by_uid: dict[str, Product]
) -> None:
    for question in of(questions, "brand-kind"):
        if question.noise == "none":
            rarest = [term for term in content_terms(question.question) if term in listing(by_uid[question.uids[0]])]
            fitting = [product for product in catalogue if set(rarest) <= listing(product)]
            assert all(product.uid in question.uids for product in fitting), question


def test_words_of_the_content_share_no_term_with_the_title(
    questions: list[Question], by_uid: dict[str, Product]
) -> None:
    for question in of(questions, "content-words"):
        product = by_uid[question.uids[0]]
        said = content_terms(question.question)
        assert not said & frozenset(terms(product.title)), question
        assert len(said & listing(product)) >= 3, question
        assert question.noise == "vague"


def test_what_is_remembered_stands_in_the_description(questions: list[Question], by_uid: dict[str, Product]) -> None:
    for question in of(questions, "remembered"):
        product = by_uid[question.uids[0]]
        assert content_terms(question.question) & (listing(product) - frozenset(terms(product.title))), question


def test_evidence_is_verbatim_and_answers_stand_where_they_belong(
    questions: list[Question], by_uid: dict[str, Product]
) -> None:
    for question in questions:
        if question.evidence:
            product = by_uid[question.uids[0]]
            assert question.evidence in product.title or question.evidence in product.content, question
        assert bool(question.answer) or question.kind != "fact"
    assert all(question.evidence for question in of(questions, "fact"))
    assert all(not question.answer and not question.evidence for question in of(questions, "unsaid"))


def test_lookalikes_are_several_and_told_apart(questions: list[Question], by_uid: dict[str, Product]) -> None:
    for question in of(questions, "lookalikes"):
        products = [by_uid[uid] for uid in question.uids]
        assert 2 <= len({product.uid for product in products}) <= 4
        assert question.kind == "ambiguous"
        shared = frozenset.intersection(*(content_terms(product.title) for product in products))
        if question.noise == "none":
            assert len(content_terms(question.question) & shared) >= 2, question
        for product in products:
            assert any(word in question.answer for word in words(product.title) if content_terms(word) - shared), (
                question
            )


def test_no_product_holds_the_words_of_what_is_absent(questions: list[Question], catalogue: Catalogue) -> None:
    for question in of(questions, "absent"):
        assert question.uids == ()
        if question.noise == "none":
            said = content_terms(question.question)
            assert not any(said <= listing(product) for product in catalogue), question
    assert of(questions, "absent", "pt")


def test_what_the_catalogue_sells_is_not_asked_as_absent() -> None:
    goods = ["Smoked Mackerel", "Oak Wardrobe with Mirror", "Ski Pass for Zermatt"]
    goods += [f"Garden Gnome No. {number}" for number in range(80)]
    products = [Product(str(number), good, f"A {good.lower()} that we sell.") for number, good in enumerate(goods)]
    asked = generate(products, 150, seed=1, shares={"absent": 1.0, "typo": 0, "partial": 0, "pt": 0})
    assert len(asked) > 20
    assert not [question for question in asked if "mackerel" in question.question or "wardrobe" in question.question]


def test_portuguese_questions_are_recognised(questions: list[Question]) -> None:
    asked = [question.question for question in questions if question.lang == "pt"]
    assert sum(map(is_portuguese, asked)) >= 0.95 * len(asked)
    english = [question.question for question in questions if question.lang == "en"]
    assert sum(map(is_portuguese, english)) <= 0.02 * len(english)
    assert translated("kettle") == "chaleira"
    assert translated("pencils") == "lapis"
    assert translated("Zorblatt") == ""


@pytest.mark.parametrize("seed", range(40))
def test_a_slip_changes_a_word_and_not_much_of_it(seed: int) -> None:
    text = "do you have the stainless stockpot with a measuring scale inside"
    slipped = misspelt(text, Random(seed))
    assert slipped != text
    assert OSA.distance(text, slipped) <= 9
    pairs = list(zip(text.split(), slipped.split(), strict=True))
    assert all(OSA.distance(word, wrong) <= 3 for word, wrong in pairs)
    assert 1 <= sum(word != wrong for word, wrong in pairs) <= 3


def test_short_words_are_not_misspelt() -> None:
    assert misspelt("is it on", Random(1)) == "is it on"


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_question_is_shorter_and_keeps_the_beginning_of_the_mention(seed: int) -> None:
    cut = cut_off("how many sheets fit in the {product}?", "castlewick view binder", Random(seed))
    assert cut.startswith("castlewick view binder")
    assert len(cut.split()) <= 7
    assert "the" not in cut.split()


def test_a_title_is_taken_apart() -> None:
    products = [
        Product("1", "Quellix RidgeBack Case (Black) for Samsung Galaxy Note 2 - 77-20143", "A case of tough rubber."),
        Product("2", "The Salt Road: A Novel", "A novel by Orla Vennick. In this story a ferry is lost in the fog."),
        Product(
            "3", "Ironmoor Cast Iron Skillet, 8 Inch, Red", "An iron skillet with a pouring lip. Weighs 3.4 pounds."
        ),
    ]
    corpus = Corpus(products)
    case, book, skillet = (name_of(product, corpus) for product in products)
    assert (case.brand, case.kind, case.variant, case.target) == (
        "Quellix",
        "RidgeBack case",
        "black",
        "Samsung Galaxy Note",
    )
    assert (book.is_work, book.title, book.kind, book.author) == (True, "The Salt Road", "novel", "Orla Vennick")
    assert (skillet.brand, skillet.core, skillet.kind) == ("Ironmoor", ("cast", "iron", "skillet"), "iron skillet")
    for seed in range(20):
        said = partial_title(case, Random(seed)) + brand_and_kind(case, Random(seed))
        assert "77-20143" not in said
        assert "(" not in said
        assert brand_and_kind(book, Random(seed)) == ""


def test_phrases_are_parts_actions_and_purposes() -> None:
    content = (
        "A jug with a brass spout. It keeps cider cold for two hours. Ideal for garden parties. Wash with soapy water."
    )
    product = Product("1", "Ferrow Stoneware Jug", content)
    others = [Product(str(number), f"Thing {number}", "Some other words of a description.") for number in range(60)]
    found = {(phrase.role, phrase.text) for phrase in phrases_of(product, Corpus([product, *others]))}
    assert {
        ("part", "a brass spout"),
        ("action", "keeps cider cold for two hours"),
        ("purpose", "garden parties"),
    } <= found
    assert not [text for _, text in found if "soapy" in text]


def test_shares_are_laid_over_the_defaults() -> None:
    kinds, noises = resolve_shares({"fact": 0.6, "typo": 0})
    assert kinds["fact"] == 0.6
    assert sum(kinds.values()) == pytest.approx(1)
    assert kinds["unsaid"] / kinds["absent"] == pytest.approx(SHARES["unsaid"] / SHARES["absent"])
    assert noises == NOISES | {"typo": 0}
    assert kinds.keys() == KINDS.keys()
    assert sum(SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"fcat": 0.2}, "did you mean fact"),
        ({"fact": 1.2}, "between 0 and 1"),
        ({"fact": 0.7, "unsaid": 0.7}, "sum to 1.4"),
        (dict.fromkeys(SHARES, 0.01), "sum to 0.1"),
    ],
)
def test_wrong_shares_are_told(shares: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resolve_shares(shares)


def test_nothing_to_ask_about_is_told() -> None:
    with pytest.raises(UsageError, match="count is 0"):
        generate([], 0)
    with pytest.raises(UsageError, match="no products"):
        generate(iter([]), 5)


def test_a_small_catalogue_gives_fewer() -> None:
    asked = generate(
        [Product("1", "Otterby Copper Kettle", "A copper kettle with an oak handle.")], 50, shares={"absent": 0}
    )
    assert 0 < len(asked) <= MOST_USES


def test_what_was_seen_is_not_asked_about(
    catalogue: Catalogue, questions: list[Question], by_uid: dict[str, Product]
) -> None:
    asked = [uid for question in questions for uid in question.uids]
    seen = {uid for uid in asked[::2] for uid in (by_uid[uid].uid, *by_uid[uid].twins)}
    unseen = generate(catalogue, 60, seed=5, seen=seen)
    assert len(unseen) == 60
    assert {question.kind for question in unseen} >= {"fact", "identify", "unanswerable", "absent", "ambiguous"}
    assert not any(uid in seen for question in unseen for uid in question.uids)
    everything = {uid for product in catalogue for uid in (product.uid, *product.twins)}
    with pytest.raises(UsageError, match="products were seen; there is none to ask about"):
        generate(catalogue, 60, seen=everything)


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="finetune")
    add_parser(parser.add_subparsers(required=True))
    return console.run(parser, ["questions", *arguments])


def test_the_command_writes_and_shows(index: HybridIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "questions.jsonl"
    assert (
        command("--index", str(index.folder), "--count", "12", "--share", "fact=0.5", "--out", str(out), "--show") == 0
    )
    told = capsys.readouterr()
    assert len(read_questions(out)) == 12
    assert "0.50" in told.out
    assert "12 questions, written to" in told.err


def test_the_command_leaves_out_what_an_adapter_was_trained_on(
    index: HybridIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, out = tmp_path / "seen.json", tmp_path / "questions.jsonl"
    seen.write_text('{"seen_uids": ["TENT1", "MUG1", "MUG2"]}')
    asking = ("--index", str(index.folder), "--count", "8", "--out", str(out), "--unseen-by")
    assert command(*asking, str(seen)) == 0
    assert {uid for question in read_questions(out) for uid in question.uids} == {"LAMP1", "BOOK2"}
    capsys.readouterr()
    assert command(*asking, str(tmp_path / "none.json")) == 2
    assert "No adapter or file of seen products at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give --out FILE"),
        (["--show", "--share", "fact"], "KIND=SHARE"),
        (["--show", "--teacher", "http://x"], "go together"),
        (["--show", "--teacher", "http://x", "--teacher-model", "m"], "needs --out"),
        (
            ["--out", "x", "--teacher", "http://x", "--teacher-model", "m", "--unseen-by", "y"],
            "it takes no --unseen-by",
        ),
        (["--show", "--count", "0"], "count is 0"),
        (["--out", str(SAMPLE / "trn.json" / "questions.jsonl")], "trn.json is a file, where a folder is to be"),
        (["--out", str(SAMPLE)], "is a folder; give a file as --out"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], told: str, index: HybridIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--index", str(index.folder), *arguments) == 2
    assert told in capsys.readouterr().err
