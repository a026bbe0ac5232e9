"""What is shown of the products that a search found: those that fit, and of each the spans that may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, log
from typing import NamedTuple

from retrieval.counting import counted, tells_count
from retrieval.evidence import NOTHING, EvidenceRanker, candidate
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.snippet import candidates, take_best, take_first
from retrieval.text import terms

PROMPT_PRODUCTS = 2
WORDS_PER_PRODUCT = 60
FITTING_SHARE = 0.7
"""Products that match the question less than this share as well as the best one are not answered from. Development
questions chose it and the next four."""
ALMOST_AS_WELL = 0.5
"""A second span whose log-odds are at most this much below the best one's is said with it, if there is room."""
MOST_WORDS_SAID = 40
ABOUT_AS_WELL = 1.0
"""Spans whose log-odds are at most this much below the best one's are shown first, then the beginning of the rest."""
FAR_BELOW = 3.0
"""Products after the first whose spans all have log-odds this much below the best one's are not shown."""
TELLS_COUNT = 1.5
"""Added to the log-odds of a text that tells how many there are, where that is asked. Training questions chose it."""


class Shown(NamedTuple):
    """A product as it stands in a prompt.

    Attributes:
        product: The product.
        spans: The spans of its content that are shown: those that answer, the best one first, then early ones.
        odds: Log-odds of the title and of each span that it answers, against that nothing does.
    """

    product: Product
    spans: tuple[str, ...]
    odds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """The products that a question may be answered from.

    Attributes:
        fitting: The products that match about as well as the best one, best first.
        shown: Those of them of which something is worth showing.
        matches: How well the best hit matches the question: see ``match``.
        near: How near the first product is to the question: see ``nearness``.
        answers: Log-odds, by the evidence ranker, that the text of a product answers, against that nothing does: the
            highest of the products that fit.
    """

    fitting: tuple[Product, ...]
    shown: tuple[Shown, ...]
    matches: float
    near: float
    answers: float


@lru_cache(maxsize=64)
def terms_held(product: Product) -> frozenset[str]:
    """Return the index terms of a product's title and content; a question looks at the same few products repeatedly."""
    return frozenset(terms(f"{product.title} {product.content}"))


def nearness(query: Query, hit: Hit) -> float:
    """Return the cosine between question and product, at least 0; for one that was not searched for, its coverage."""
    return query.coverage(terms_held(hit.product)) if hit.cosine is None else max(0.0, hit.cosine)


def match(query: Query, hit: Hit) -> float:
    """Return how well a hit matches a question, in [0, 1].

    The mean of coverage, the share of the question's terms, by weight, that the product holds, and ``nearness``.

    Args:
        query: The question, its terms weighted.
        hit: A hit.
    """
    return (query.coverage(terms_held(hit.product)) + nearness(query, hit)) / 2


def choose_context(
    ranker: EvidenceRanker,
    asked: Sequence[tuple[Query, Sequence[Hit]]],
    max_words: int = WORDS_PER_PRODUCT,
    fitting_share: float = FITTING_SHARE,
) -> list[Context]:
    """Choose what is shown of the products that searches found.

    Args:
        ranker: Tells the pieces of a description that answer from those that do not.
        asked: Questions with the hits to choose from, best first.
        max_words: Words of content a product.
        fitting_share: Products that match less than this share as well as the best one are left out.

    Returns:
        A context for each question; nothing is shown where nothing was found.
    """
    fitting = [_fitting(query, hits, fitting_share) for query, hits in asked]
    texts = [
        [candidates(query, hit.product) for hit in hits] for (query, _), (hits, _) in zip(asked, fitting, strict=True)
    ]
    pairs = [
        (query.english, candidate(hit.product.title, text))
        for (query, _), (hits, _), of_one in zip(asked, fitting, texts, strict=True)
        for hit, of_hit in zip(hits, of_one, strict=True)
        for text in (NOTHING, *of_hit)
    ]
    scores = iter(ranker.score(pairs).tolist())
    contexts: list[Context] = []
    for (query, _), (hits, matches), of_one in zip(asked, fitting, texts, strict=True):
        found: list[Shown] = []
        answers: list[float] = []
        thing = counted(query.english)
        for hit, of_hit in zip(hits, of_one, strict=True):
            nothing, *scored = (next(scores) for _ in range(1 + len(of_hit)))
            odds = {
                text: score - nothing + (TELLS_COUNT if thing and tells_count(text, thing) else 0.0)
                for text, score in zip(of_hit, scored, strict=True)
            }
            spans = _spans(of_hit[1:], [odds[text] for text in of_hit[1:]], max_words)
            found.append(Shown(hit.product, spans, tuple(odds[text] for text in (hit.product.title, *spans))))
            answers.append(log(sum(map(exp, odds.values()))))
        products = tuple(hit.product for hit in hits)
        near = nearness(query, hits[0]) if hits else 0.0
        contexts.append(Context(products, _worth_showing(found), matches, near, max(answers, default=0.0)))
    return contexts


def _fitting(query: Query, hits: Sequence[Hit], share: float) -> tuple[list[Hit], float]:
    """Return the hits that match about as well as the best one, and how well that one does."""
    matches = [match(query, hit) for hit in hits]
    best = max(matches, default=0.0)
    return [hit for hit, value in zip(hits, matches, strict=True) if value >= best * share], best


def _spans(found: Sequence[str], odds: Sequence[float], max_words: int) -> tuple[str, ...]:
    """Choose what is shown of the pieces of a description: those that answer about as well as the best, then the first.

    What a product is its description tells first, and what the ranker overlooks often stands near the beginning.
    """
    least = max(odds, default=0.0) - ABOUT_AS_WELL
    answering = [place for place, value in enumerate(odds) if value >= least]
    room = min(max_words, MOST_WORDS_SAID)
    best = take_best([found[place] for place in answering], [odds[place] for place in answering], room)
    return best + take_first([piece for piece in found if piece not in best], max_words - _words(best))


def _words(spans: Sequence[str]) -> int:
    return sum(len(span.split()) for span in spans)


def _worth_showing(found: Sequence[Shown]) -> tuple[Shown, ...]:
    """Leave out products after the first that answer far less well than the best one.

    The search knows best which product is meant, whatever another one tells.
    """
    with_spans = [shown for shown in found if shown.spans]
    least = max((shown.odds[1] for shown in with_spans), default=0.0) - FAR_BELOW
    return tuple(shown for place, shown in enumerate(with_spans) if place == 0 or shown.odds[1] >= least)


def answering_spans(shown: Shown) -> tuple[str, ...]:
    """Return the span of a product that answers best, then a second where that answers almost as well and is short."""
    both = shown.spans[:2]
    as_well = shown.odds[len(both)] >= shown.odds[1] - ALMOST_AS_WELL
    return both if as_well and _words(both) <= MOST_WORDS_SAID else both[:1]


def without_the_least(context: Context) -> Context | None:
    """Return a context that shows one span less: the last of the product that shows the most, or the last product.

    Returns:
        None where one span is all that is shown.
    """
    fullest = max(range(len(context.shown)), key=lambda place: (len(context.shown[place].spans), place), default=0)
    shown = list(context.shown)
    if shown and len(shown[fullest].spans) > 1:
        product, spans, odds = shown[fullest]
        shown[fullest] = Shown(product, spans[:-1], odds[:-1])
    elif len(shown) > 1:
        shown.pop()
    else:
        return None
    return replace(context, shown=tuple(shown))
