"""What a model said, turned into an answer: each statement traced, quoted instead, or declined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from qa.answers import Answer, Citation, Status
from qa.citations import as_sentence, is_quote, says_more_than, supported, with_negation
from qa.conversation import ask_back
from qa.generators.base import Prompt
from qa.measures import told_by_title
from qa.names import asks_for_a_name, asks_what_it_is
from retrieval.context import MOST_WORDS_SAID, Context, Shown, answering_spans
from retrieval.prompt import NO_PRODUCT, NOT_SAID, SPAN_GAP, Reading, read_completion
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.snippet import lead
from retrieval.text import sentences, terms

NOT_IN_DESCRIPTION = "The description does not say."
NO_MATCH = "No matching product was found."
_QUOTED = "The model's words could not be traced to a description, so the description is quoted instead."
_LEFT_OUT = "Sentences that could not be traced to a description were left out."
_DECLINES = re.compile(
    r"\b(?:(?:description|listing|text|context)s? (?:does|do) not (?:say|mention|specify|state|provide|contain|hold)"
    r"|not (?:specified|mentioned|stated|provided) in|no information)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way, after the search.

    Attributes:
        query: The question, read.
        hits: What the search found, best first.
        context: What may be answered from.
        probable: The probability of each status.
        status: The decision, before the model is asked.
        alike: Products that fit equally, of which one must be chosen first; none otherwise.
        prompt: What the model is given; None where it is not asked.
        milliseconds: Time spent so far by step.
    """

    query: Query
    hits: tuple[Hit, ...]
    context: Context
    probable: dict[Status, float]
    status: Status
    alike: tuple[Product, ...]
    prompt: Prompt | None
    milliseconds: dict[str, float]

    @property
    def is_answerable(self) -> bool:
        """Whether there is something to say, and of one product: only then a model is asked."""
        return self.status == "answered" and not self.alike


def judge(asked: Asked, text: str) -> Answer:
    """Return the answer that a text supports, without its hits, confidence and timings.

    Args:
        asked: The question.
        text: What the model said; empty where it was not asked.
    """
    if asked.alike:
        return Answer(ask_back(asked.alike), "ambiguous", candidates=asked.alike)
    if asked.status == "no_match":
        return no_match()
    if asked.status == "not_in_description":
        return not_in_description(asked.context.fitting[0])
    reading = read_completion(text)
    if reading.said == NO_PRODUCT and not any(is_quote(NO_PRODUCT, product) for product in asked.context.fitting):
        return no_match()
    if reading.number is not None and reading.number <= len(asked.context.shown):
        shown = asked.context.shown[reading.number - 1]
        if reading.said == NOT_SAID and not is_quote(NOT_SAID, shown.product):
            return not_in_description(shown.product)
        if all(is_quote(said, shown.product) for said in reading.quotes):
            return _quoted(asked.query, shown, reading)
        text = reading.said
    if statements := statements_of(asked, text):
        citations = tuple(dict.fromkeys(citation for _, citation in statements))
        product = next(product for product in asked.context.fitting if product.uid == citations[0].uid)
        said = " ".join(statement for statement, _ in statements)
        notes = () if said.split() == text.split() else (_LEFT_OUT,)
        return Answer(said, "answered", product, citations=citations, notes=notes)
    if _is_declined(asked, text):
        return not_in_description(asked.context.fitting[0])
    return _quote(asked, because_of_model=bool(text))


def _quoted(query: Query, shown: Shown, reading: Reading) -> Answer:
    """Return the answer that is quotes; the source of each is the span in which its words stand.

    A question that asks for a product's name, or for nothing beyond its title, asks what it is, whatever a model makes
    of it. How many there are, or a colour, is said from the title where the quotes do not tell it.
    """
    if told := told_by_title(query.text, reading.quotes, shown.product.title):
        reading = Reading(reading.number, False, told)
    sources = [next((span for span in shown.spans if said in span), said) for said in reading.quotes]
    if reading.identifies or asks_for_a_name(query) or asks_what_it_is(query, shown.product):
        return _described(shown.product, sources[0])
    citations = tuple(dict.fromkeys(Citation.of(shown.product, source) for source in sources))
    return Answer(" ".join(map(as_sentence, reading.quotes)), "answered", shown.product, citations=citations)


def _described(product: Product, source: str) -> Answer:
    """Say which product it is: its title, and a span of it beside as much of the beginning as there is room for."""
    told = _without_parts(lead(product.content, MOST_WORDS_SAID, () if source in product.title else (source,)))
    citations = tuple(Citation.of(product, each) for each in told)
    said = told[0]
    for before, span in pairwise(told):
        said += (" " if f"{before} {span}" in product.content else SPAN_GAP) + span
    return Answer(f"{product.title}: {as_sentence(said)}", "answered", product, citations=citations)


def _without_parts(spans: Sequence[str]) -> list[str]:
    """Leave out spans that stand in another one."""
    return [span for span in spans if not any(span != other and span in other for other in spans)]


def no_match() -> Answer:
    """Return the answer that no product matches."""
    return Answer(NO_MATCH, "no_match")


def not_in_description(product: Product) -> Answer:
    """Return the answer that a product's description doesn't say it."""
    return Answer(NOT_IN_DESCRIPTION, "not_in_description", product)


def statements_of(asked: Asked, text: str, *, ended: bool = True) -> list[tuple[str, Citation]]:
    """Return the traceable statements of a text that say more than their product's title; none once it declines."""
    if not asked.context.fitting or _is_declined(asked, text):
        return []
    titles = {product.uid: terms(product.title) for product in asked.context.fitting}
    traced = supported(text, asked.context.fitting, ended=ended)
    return [(said, source) for said, source in traced if says_more_than(said, titles[source.uid])]


def _is_declined(asked: Asked, text: str) -> bool:
    """Tell whether a model begins by declining; what a product is, its description always says."""
    begins = " ".join(sentences(text)[:1])
    return bool(_DECLINES.search(begins)) and not asks_what_it_is(asked.query, asked.context.fitting[0])


def _quote(asked: Asked, *, because_of_model: bool) -> Answer:
    """Quote what answers best, or describe the product where the question asks which it is."""
    shown = asked.context.shown[0]
    spans = _without_parts([with_negation(span, shown.product) for span in answering_spans(shown)])
    answer = _quoted(asked.query, shown, Reading(1, False, SPAN_GAP.join(spans)))
    return replace(answer, notes=(_QUOTED,) if because_of_model else ())
