from __future__ import annotations

import json
import time

import pytest

from benchmarks.fact_precision import figures_of, wilson_interval
from finetune.facts import Fact, facts_of, unsaid_attributes
from finetune.facts.attributes import attributes, kind_of, kinds
from finetune.facts.clauses import MAX_ANSWER_WORDS, MAX_EVIDENCE_WORDS
from finetune.facts.grammar import rules
from retrieval.catalog import Catalogue
from retrieval.schema import Product
from tests.conftest import SAMPLE


def answers(content: str, title: str = "Harbour Lantern") -> dict[str, str]:
    return {fact.attribute: fact.answer for fact in facts_of(Product("1", title, content))}


@pytest.fixture(scope="module")
def sample() -> list[Product]:
    return list(Catalogue.read([SAMPLE / "trn.json"]))


@pytest.mark.parametrize(
    ("title", "content", "attribute", "answer"),
    [
        ("Harbour Lantern", "A lamp for the porch. It measures 9 x 4.5 x 4.5 inches.", "size", "9 x 4.5 x 4.5 inches"),
        ("Harbour Lantern", "The lantern weighs only 2.4 pounds.", "weight", "2.4 pounds"),
        ("Harbour Lantern", "Stands 14 inches tall. Lit at night.", "height", "14 inches"),
        ("Tin Drum Toy", "Loud fun. Ages 3 and up.", "age", "3 and up"),
        ("Tin Drum Toy", "Not suitable for children under 3.", "age_warning", "Not suitable for children under 3"),
        ("Harbour Lantern", "Made of powder coated steel and glass.", "material", "powder coated steel and glass"),
        ("Wax Crayons, Pack of 24", "Bright colours.", "count", "Pack of 24"),
        ("Orbo Car Charger", "Compatible with Orbo X2, X3 and X5.", "compatible", "Orbo X2, X3 and X5"),
        ("The Salt Road", "A novel. Written by Ada M. Quill. The story begins in 1840.", "author", "Ada M. Quill"),
        ("The Salt Road", "A novel. It tells the story of a lighthouse keeper and her goat. Readers wept.", "plot",
         "the story of a lighthouse keeper and her goat"),
        ("Orbo Phone Battery", "Gives up to 5 hours of talk time.", "talk_time", "up to 5 hours"),
        ("Orbo Phone Battery", "A 1,150 mAh cell.", "battery_capacity", "1,150 mAh"),
        ("Tin Drum Toy", "Requires 2 AA batteries (not included).", "batteries", "2 AA batteries (not included)"),
        ("Linen Apron", "Machine wash cold. Dries fast.", "care", "Machine wash cold"),
        ("Harbour Lantern", "Two-year limited warranty.", "warranty", "Two-year limited warranty"),
        ("Harbour Lantern", "Package includes: 1 lantern, 2 hooks.", "included", "1 lantern, 2 hooks"),
        ("Harbour Lantern", "Proudly made in Portugal.", "made_in", "Portugal"),
        ("Harbour Lantern, Navy Blue", "Pretty.", "colour", "Navy Blue"),
        ("Quill Laser Printer", "Prints at up to 32 pages per minute.", "print_speed", "up to 32 pages per minute"),
        ("Harbour Lantern", "The lantern is UL listed.", "certified", "UL listed"),
        ("Harbour Lantern", "The lantern is water-resistant.", "waterproof", "water-resistant"),
        ("Oak Stool", "Some assembly required.", "assembly", "Some assembly required"),
        ("Bistro Gift Card", "This gift card never expires. No fees.", "expiry", "never expires"),
        ("Harbour Lantern", "It has a folding brass handle.", "features", "a folding brass handle"),
    ],
)  # fmt: skip
def test_a_stated_fact_is_read(title: str, content: str, attribute: str, answer: str) -> None:
    assert answers(content, title).get(attribute) == answer


@pytest.mark.parametrize(
    ("title", "content", "attribute"),
    [
        pytest.param("Orbo Phone", "The charger weighs 4 ounces.", "weight", id="of another thing"),
        pytest.param("Orbo Phone", "The box of the phone weighs 2 pounds.", "weight", id="of its box"),
        pytest.param("Orbo Phone", "Package size: 9 x 4 x 2 inches.", "size", id="of its packaging"),
        pytest.param("Orbo Car Charger", "Not compatible with Orbo X9.", "compatible", id="negated"),
        pytest.param("Harbour Lantern", "Hooks made of brass are sold separately.", "material", id="sold separately"),
        pytest.param("Harbour Lantern", "It weighs 2 pounds. It weighs 3 pounds.", "weight", id="two values"),
        pytest.param("Wax Crayons, 12 Pack, 24 Boxes", "Bright.", "count", id="two quantities"),
        pytest.param(
            "The Salt Road", "A novel. 'Gripping' says Ben Okoro, author of Tin Moon.", "author", id="a blurb"
        ),
        pytest.param("Harbour Lantern", "Inside dimensions: 9 x 4 x 2 inches.", "size", id="of its inside"),
        pytest.param("Brass Valve", "A valve has a disc that moves.", "features", id="of all such things"),
        pytest.param("Harbour Lantern, 1 Pack", "Pretty.", "count", id="a count of one"),
        pytest.param("Harbour Lantern", "Compatible with Orbo X2 (except the X2 Mini).", "compatible", id="cut"),
        pytest.param("Orbo X2 Case", "Protects from scratches and its mold keeps it slim.", "protects", id="run on"),
    ],
)
def test_what_is_not_said_of_the_product_is_no_fact(title: str, content: str, attribute: str) -> None:
    assert attribute not in answers(content, title)


def test_a_value_stated_twice_is_one_fact() -> None:
    assert answers("It weighs 2 pounds. Net weight: 2 pounds.")["weight"] == "2 pounds"


def test_the_predicate_after_and_keeps_its_subject() -> None:
    assert answers("The lantern weighs 2 pounds and measures 9 x 4 x 4 inches.")["size"] == "9 x 4 x 4 inches"
    assert "size" not in answers("The charger weighs 2 pounds and measures 9 x 4 x 4 inches.")


def test_long_sentences_give_a_clause_as_evidence() -> None:
    start = "After long evenings on the quay and a great many letters from our friends along the coast, "
    (fact,) = (
        f for f in facts_of(Product("1", "Harbour Lantern", start + "it weighs 2 pounds.")) if f.attribute == "weight"
    )
    assert fact.evidence == "it weighs 2 pounds."


def test_every_fact_of_the_sample_is_verbatim_and_short(sample: list[Product]) -> None:
    facts = [(product, fact) for product in sample for fact in facts_of(product)]
    assert len(facts) > len(sample)
    for product, fact in facts:
        assert fact.answer in fact.evidence
        assert fact.evidence in product.content or fact.evidence in product.title
        assert len(fact.evidence.split()) <= MAX_EVIDENCE_WORDS
        assert len(fact.answer.split()) <= MAX_ANSWER_WORDS
        assert "{product}" not in fact.questions[0].format(product=product.title)


def test_facts_of_the_sample(sample: list[Product]) -> None:
    by_title: dict[str, list[Fact]] = {product.title: facts_of(product) for product in sample}
    dictionary = {
        fact.attribute: fact.answer
        for fact in by_title["Meridian Compact Portuguese-English / English-Portuguese Dictionary"]
    }
    assert dictionary["size"] == "3.5 x 5.75 inches"
    assert dictionary["edition"] == "Third edition"
    assert "pages" in {fact.attribute for fact in by_title["One Iron Pan: 110 Skillet Suppers, Spiral-Bound"]}


def test_unsaid_attributes_suit_the_kind_and_leave_no_trace() -> None:
    case = Product("1", "Leather Case for Orbo X2", "Slim leather case in black.")
    names = {attribute.name for attribute in unsaid_attributes(case)}
    assert {"warranty", "made_in", "waterproof"} <= names
    assert not names & {"material", "colour", "pages", "players"}


@pytest.mark.parametrize("trace", ["Guaranteed for life.", "Replaced free within a year if it breaks, no returns."])
def test_any_trace_of_an_attribute_takes_it_off_the_unsaid(trace: str) -> None:
    case = Product("1", "Leather Case for Orbo X2", f"Slim leather case. {trace}")
    assert "warranty" not in {attribute.name for attribute in unsaid_attributes(case)}


def test_nothing_is_both_said_and_unsaid(sample: list[Product]) -> None:
    unsaid = [(product, {attribute.name for attribute in unsaid_attributes(product)}) for product in sample]
    assert sum(map(len, (names for _, names in unsaid))) > len(sample)
    for product, names in unsaid:
        assert not names & {fact.attribute for fact in facts_of(product)}


@pytest.mark.parametrize(
    ("title", "content", "kind"),
    [
        ("Leather Case for Orbo X2 Charger", "Soft.", "phone_case"),
        ("Orbo X2 Car Charger with Case", "Fast.", "charger"),
        ("Bistro Gift Card", "Dine.", "gift_card"),
        ("Bistro Gift Card Holder", "A sleeve.", None),
        ("The Salt Road", "A novel of the sea whose author knows it well.", "book"),
        ("Harbour Lantern", "Bright.", None),
    ],
)
def test_the_head_of_the_title_tells_the_kind(title: str, content: str, kind: str | None) -> None:
    found = kind_of(Product("1", title, content))
    assert (found.name if found else None) == kind


def test_every_name_in_the_data_files_is_known() -> None:
    names = {kind.name for kind in kinds()}
    assert {rule.attribute for rule in rules()} <= attributes().keys()
    assert set().union(*(rule.kinds | rule.never for rule in rules())) <= names
    assert set().union(*(kind.asked for kind in kinds())) <= attributes().keys()


@pytest.mark.parametrize("attribute", attributes().values(), ids=list(attributes()))
def test_questions_name_the_product_once(attribute) -> None:
    assert len(attribute.questions) >= 3
    assert len(attribute.questions_pt) >= 2
    assert all(question.count("{product}") == 1 for question in attribute.questions + attribute.questions_pt)


def test_a_thousand_products_take_seconds(sample: list[Product]) -> None:
    started = time.process_time()
    for product in sample:
        facts_of(product)
    assert time.process_time() - started < len(sample) / 200  # a loose bound for slow machines


def test_precision_counts_each_judgement_once(tmp_path) -> None:
    product = Product("1", "Harbour Lantern", "It weighs 2 pounds. Made in Portugal.")
    drawn = [(product, fact, "") for fact in facts_of(product)]
    judgements = tmp_path / "judgements.jsonl"
    judgements.write_text('{"number": 1, "right": true}\n{"number": 2, "right": false, "error": "cut off"}\n')
    figures = figures_of(drawn, judgements)
    assert (figures["right"], figures["precision"], figures["errors"]) == (1, 0.5, {"cut off": 1})
    judgements.write_text(json.dumps({"number": 1, "right": True}) + "\n")
    with pytest.raises(SystemExit, match="each of the facts 1 to 2 exactly once"):
        figures_of(drawn, judgements)


def test_wilson_interval_of_a_worked_example() -> None:
    low, high = wilson_interval(9, 10)  # 0.5958 and 0.9821 by hand
    assert (low, high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
