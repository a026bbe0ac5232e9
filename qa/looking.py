"""All that comes before the language model: search, rank the evidence, decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from qa.conversation import lookalikes_named
from qa.decision import Decision, read_signals
from qa.judging import Asked
from qa.names import holds_the_name
from retrieval.context import choose_context
from retrieval.errors import UsageError
from retrieval.evidence import EvidenceRanker
from retrieval.index import DEFAULT_K, HybridIndex
from retrieval.query import Query
from retrieval.schema import Hit, Product


def look(
    index: HybridIndex,
    ranker: EvidenceRanker,
    decision: Decision,
    questions: Sequence[str],
    *,
    products: int,
    product: str | None = None,
    min_confidence: float | None = None,
) -> list[Asked]:
    """Look at the products that questions may be about, and decide whether they answer.

    Args:
        index: Where products are found.
        ranker: Chooses what is shown of a product.
        decision: Decides between answering and declining.
        questions: As shoppers type them.
        products: How many of those that are found may be shown.
        product: uid of the one product to look at, as on a product page.
        min_confidence: See ``Decision.decide``.

    Raises:
        QuestionError: A question is empty or too long.
        UsageError: No such product.
    """
    began = perf_counter()
    queries = [index.query(question) for question in questions]
    named: list[tuple[Product, ...]]
    if product is None:
        found = index.search_queries(queries, max(products, DEFAULT_K))
        named = [lookalikes_named(query, hits) for query, hits in zip(queries, found, strict=True)]
        fit = [_fit_to_answer(*each)[:products] for each in zip(queries, found, named, strict=True)]
    else:
        known = index.product(product)
        if known is None:
            raise UsageError(f"No product {product} in {index.folder}.")
        found = fit = [[Hit(known, rank=1, score=1.0)] for _ in questions]
        named = [() for _ in questions]
    searched = perf_counter()
    contexts = choose_context(ranker, list(zip(queries, fit, strict=True)))
    asked = []
    for query, hits, context, meant in zip(queries, found, contexts, named, strict=True):
        probable = decision.probabilities(read_signals(query, context), product_is_known=product is not None)
        status = decision.decide(probable, min_confidence) if context.shown else "no_match"
        alike = meant if len(meant) > 1 and status != "no_match" else ()
        asked.append(Asked(query, tuple(hits), context, probable, status, alike, None, {}))
    steps = {"search": searched - began, "context": perf_counter() - searched}
    spent = {step: seconds * 1_000 / max(1, len(questions)) for step, seconds in steps.items()}
    return [replace(each, milliseconds=spent) for each in asked]


def _fit_to_answer(query: Query, hits: Sequence[Hit], meant: Sequence[Product]) -> list[Hit]:
    """Return the hits to answer from: none, if the first is not what the question names.

    The one product that is meant comes first; several, of which it must be asked back, change nothing.
    """
    ordered = sorted(hits, key=lambda hit: hit.product not in meant) if len(meant) == 1 else list(hits)
    return ordered if ordered and holds_the_name(query, ordered[0].product) else []
