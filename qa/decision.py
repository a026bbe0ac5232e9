"""What to do with a question: answer it, say that the description does not say, or that no product matches.

The signals of the search and of the evidence ranker become probabilities by logistic regressions: one for whether a
product matches, one for whether the description tells if one does, and one for whether it tells what is asked on a
product's page, where questions don't say what they ask of. They are fitted on questions whose right status is known:
``python -m qa calibrate``. A language model is asked only where there is something to say; what it made of
declining itself told nothing more: see docs/log.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from qa.answer_types import type_evidence
from qa.answers import Status
from retrieval.context import Context, terms_held
from retrieval.encoder import same_vectors
from retrieval.errors import UsageError
from retrieval.query import Query
from retrieval.snippet import beyond_title
from retrieval.text import terms

DECIDED: tuple[Status, ...] = ("answered", "not_in_description", "no_match")
STAGES = ("matches", "tells", "tells_on_page")
"""What is decided: whether a product matches, and whether its description tells; on its page only the latter."""
ON_PAGE_FROM = 0.5
"""On a product's page an answer is given where it is more probably right to answer than not."""
_SHIPPED = Path(__file__).parent / "decision.json"
_FORMAT = "product-qa-decision"
_MATCHES_ENOUGH = 0.4
"""A match beyond this says no more. Development questions chose it."""


class Signals(NamedTuple):
    """What is known of a question before it is decided.

    Attributes:
        matches: How well the best hit matches, up to where it matches well enough: see ``retrieval.context.match``.
        held: How many times over the terms that the first product holds single it out: their weight over that of a
            term which a single product of the catalogue holds. A short question that matches well may hold little.
        missing: The highest weight of a term that the first product does not hold, over the same.
        near: How near the first product is: see ``retrieval.context.nearness``.
        answers: Log-odds that what was found answers.
        shown: The share, by weight, of what is asked beyond the first product's title that what is shown of it holds; 1
            where nothing is.
    """

    matches: float
    held: float
    missing: float
    near: float
    answers: float
    shown: float


NOTHING_FITS = Signals(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""The signals of a question that no product fits."""


def read_signals(query: Query, context: Context, products: int) -> Signals:
    """Return what a decision rests on: what search and ranker say, and whether the type that is asked for is shown.

    Args:
        query: The question.
        context: What it may be answered from.
        products: How many the catalogue has.
    """
    if not context.shown:
        return NOTHING_FITS
    first, of_a_single_product = terms_held(context.fitting[0]), math.log1p(products)
    held = query.weight_in(first) / of_a_single_product
    missing = max((each.weight for each in query.wanted if not each.is_among(first)), default=0.0) / of_a_single_product
    answers = context.answers + type_evidence(query.text, context.shown)
    beyond = replace(query, wanted=beyond_title(query, context.fitting[0]))
    shown = beyond.coverage(set(terms(" ".join(context.shown[0].spans)))) if beyond.wanted else 1.0
    return Signals(min(context.matches, _MATCHES_ENOUGH), held, missing, context.near, answers, shown)


@dataclass(frozen=True, slots=True)
class Decision:
    """A calibrated decision.

    Attributes:
        weights: For each stage the weight of each signal in its log-odds, and its intercept last.
        threshold: An answer is given from this probability of being right to answer; the default of
            ``min_confidence``, but on a product's page, where it is ``ON_PAGE_FROM``.
        facts: What it was fitted on.
    """

    weights: Mapping[str, Sequence[float]]
    threshold: float
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None = None) -> Decision:
        """Read a decision; by default the one that ships.

        Raises:
            UsageError: The file is not there, or not a decision.
        """
        path = path or _SHIPPED
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            weights = {stage: [float(weight) for weight in stored["weights"][stage]] for stage in STAGES}
            threshold = float(stored["threshold"])
            if stored["format"] != _FORMAT or {len(row) for row in weights.values()} != {len(Signals._fields) + 1}:
                raise ValueError("another format")
            if not all(map(math.isfinite, (threshold, *chain.from_iterable(weights.values())))):
                raise ValueError("a number that is not finite")
            return cls(weights, threshold, stored["facts"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise UsageError(f"{path} is not a decision that python -m qa calibrate wrote ({error}).") from error

    def encoder_note(self, encoder: Mapping[str, Any]) -> str | None:
        """Say in a sentence that it was fitted with another encoder; None when it was not, or its facts do not tell.

        Args:
            encoder: The ``encoder`` entry of the manifest of the index that is about to be used.
        """
        fitted_with = self.facts.get("encoder")
        if fitted_with is None or same_vectors(fitted_with, encoder):
            return None
        return (
            f"The decision was fitted with encoder {fitted_with['id']}, and the index has {encoder['id']}; "
            "python -m qa calibrate fits one to it."
        )

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps({"format": _FORMAT} | asdict(self), indent=2) + "\n", encoding="utf-8")

    def probabilities(
        self, signals: Signals, *, on_page: bool = False, asks_what_it_is: bool = False
    ) -> dict[Status, float]:
        """Return the probability of each status that is in question.

        Args:
            signals: Of the question.
            on_page: It is asked of a product, which it matches.
            asks_what_it_is: It asks what the product is, which a description always says.
        """
        matches = 1.0 if on_page else self._probability("matches", signals)
        tells = 1.0 if asks_what_it_is else self._probability("tells_on_page" if on_page else "tells", signals)
        probable = dict(zip(DECIDED, (matches * tells, matches * (1 - tells), 1 - matches), strict=True))
        impossible = {"no_match": on_page, "not_in_description": asks_what_it_is}
        return {status: value for status, value in probable.items() if not impossible.get(status)}

    def _probability(self, stage: str, signals: Signals) -> float:
        odds = sum(weight * value for weight, value in zip(self.weights[stage], (*signals, 1.0), strict=True))
        return (1 + math.tanh(odds / 2)) / 2

    def decide(
        self, probabilities: Mapping[Status, float], min_confidence: float | None, *, on_page: bool = False
    ) -> Status:
        """Return ``answered`` where its probability reaches the threshold, else the more probable way to decline."""
        if min_confidence is None:
            min_confidence = ON_PAGE_FROM if on_page else self.threshold
        if probabilities["answered"] >= min_confidence:
            return "answered"
        return max((status for status in probabilities if status != "answered"), key=probabilities.__getitem__)
