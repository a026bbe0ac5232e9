"""What a model said, turned into an answer: each statement traced, quoted instead, or declined."""

from __future__ import annotations

from dataclasses import dataclass

from qa.answers import Answer, Citation
from qa.citations import as_sentence, is_quote, says_more_than, supported
from qa.decision import declines
from qa.generators.base import Prompt
from retrieval.prompt import NO_PRODUCT, NOT_SAID, read_completion
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.snippet import beyond_title, select_sentences
from retrieval.text import terms

NOT_IN_DESCRIPTION = "The description does not say."
NO_MATCH = "No matching product was found."
_QUOTE_WORDS = 40
_LEAD_SENTENCES = 2
_QUOTED = "The model's words could not be traced to a description, so the description is quoted instead."
_LEFT_OUT = "Sentences that could not be traced to a description were left out."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way, after the search.

    Attributes:
        query: The question, read.
        hits: What the search found, best first.
        fitting: Products that may be answered from, best first.
        evidence: How well the best of them fits.
        prompt: What the model is given; None where it is not asked.
        milliseconds: Time spent so far by step.
    """

    query: Query
    hits: tuple[Hit, ...]
    fitting: tuple[Product, ...]
    evidence: float
    prompt: Prompt | None
    milliseconds: dict[str, float]


def judge(asked: Asked, text: str) -> Answer:
    """Return the answer that a text supports, without its hits, confidence and timings.

    Args:
        asked: The question.
        text: What the model said; empty without a model.
    """
    if not asked.fitting:
        return Answer(NO_MATCH, "no_match")
    reading = read_completion(text)
    if reading.said == NO_PRODUCT:
        return Answer(NO_MATCH, "no_match")
    shown = asked.prompt.context if asked.prompt else ()
    if reading.number is not None and reading.number <= len(shown):
        product = shown[reading.number - 1][0]
        if reading.said == NOT_SAID:
            return Answer(NOT_IN_DESCRIPTION, "not_in_description", product)
        if is_quote(reading.said, product) and product in asked.fitting:
            said = f"{product.title}: {reading.said}" if reading.identifies else reading.said
            return Answer(as_sentence(said), "answered", product, citations=(Citation(product.uid, reading.said),))
        text = reading.said
    if statements := statements_of(asked, text):
        citations = tuple(dict.fromkeys(citation for _, citation in statements))
        product = next(product for product in asked.fitting if product.uid == citations[0].uid)
        said = " ".join(statement for statement, _ in statements)
        notes = () if said.split() == text.split() else (_LEFT_OUT,)
        return Answer(said, "answered", product, citations=citations, notes=notes)
    best = asked.fitting[0]
    if _is_declined(asked, text):
        return Answer(NOT_IN_DESCRIPTION, "not_in_description", best)
    return _quote(asked.query, best, because_of_model=bool(text))


def statements_of(asked: Asked, text: str, *, ended: bool = True) -> list[tuple[str, Citation]]:
    """Return the traceable statements of a text that say more than their product's title; none once it declines."""
    if not asked.fitting or _is_declined(asked, text):
        return []
    titles = {product.uid: terms(product.title) for product in asked.fitting}
    traced = supported(text, asked.fitting, ended=ended)
    return [(said, source) for said, source in traced if says_more_than(said, titles[source.uid])]


def _is_declined(asked: Asked, text: str) -> bool:
    """Tell whether the model declines; what a product is, its description always says."""
    return declines(text) and bool(beyond_title(asked.query, asked.fitting[0]))


def _quote(query: Query, product: Product, *, because_of_model: bool) -> Answer:
    """Quote the sentence that fits the question best, or the lead where the question asks what the product is."""
    asked = beyond_title(query, product)
    spans = select_sentences(query, product, _QUOTE_WORDS, 1 if asked else _LEAD_SENTENCES)
    quoted = set(terms(" ".join(spans)))
    if asked and not any(wanted.is_among(quoted) for wanted in asked):
        return Answer(NOT_IN_DESCRIPTION, "not_in_description", product)
    said = f"{product.title}: {' '.join(spans)}"
    citations = tuple(Citation(product.uid, span) for span in spans)
    return Answer(said, "answered", product, citations=citations, notes=(_QUOTED,) if because_of_model else ())
