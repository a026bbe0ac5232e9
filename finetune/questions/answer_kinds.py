"""Questions about a product: what its listing says, and what it does not."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from finetune.questions import portuguese
from finetune.questions.drafts import Draft, Shelf, uids_of
from finetune.questions.mentions import definite, mention_of
from finetune.questions.search_kinds import remembered
from finetune.questions.wording import FUNCTION_WORDS
from retrieval.question_file import Question
from retrieval.schema import Product

if TYPE_CHECKING:
    from finetune.facts import Attribute, Fact

_VAGUE = 0.25


def stated(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask for a fact that the listing states."""
    fact = _fact(product, random)
    return _ask(random.choice(fact.questions), _stated(product, fact), product, shelf, random) if fact else None


def stated_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask in Portuguese for a fact that the listing states."""
    fact = _fact(product, random)
    if fact is None or not fact.questions_pt:
        return None
    return portuguese.asked(random.choice(fact.questions_pt), product, shelf, random, _stated(product, fact))


def unsaid(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask for what the listing does not say."""
    gap = _gap(product, random)
    return _ask(random.choice(gap.questions), _unsaid(product), product, shelf, random) if gap else None


def unsaid_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask in Portuguese for what the listing does not say."""
    gap = _gap(product, random)
    if gap is None or not gap.questions_pt:
        return None
    return portuguese.asked(random.choice(gap.questions_pt), product, shelf, random, _unsaid(product))


def _fact(product: Product, random: Random) -> Fact | None:
    from finetune.facts import facts_of

    facts = [fact for fact in facts_of(product) if fact.questions]
    return random.choice(facts) if facts else None


def _gap(product: Product, random: Random) -> Attribute | None:
    from finetune.facts import unsaid_attributes

    attributes = unsaid_attributes(product)
    return random.choice(attributes) if attributes else None


def _stated(product: Product, fact: Fact) -> Question:
    return Question("", "fact", uids_of(product), fact.answer, fact.evidence)


def _unsaid(product: Product) -> Question:
    return Question("", "unanswerable", uids_of(product))


def _ask(template: str, question: Question, product: Product, shelf: Shelf, random: Random) -> Draft | None:
    if random.random() < _VAGUE and (described := remembered(product, shelf, random)):
        text, pointer = described
        article = "" if text.split()[0] in FUNCTION_WORDS else random.choice(["the ", "that "])
        vague = Question("", question.kind, question.uids, question.answer, question.evidence, noise="vague")
        return Draft.of(template.replace("{product}", f"{article}{{product}}"), text, vague, "exact", pointer=pointer)
    mention = mention_of(shelf.name(product), random)
    if not mention:
        return None
    article = definite(mention, random).removesuffix(mention)
    return Draft.of(template.replace("{product}", f"{article}{{product}}"), mention, question, "exact")
