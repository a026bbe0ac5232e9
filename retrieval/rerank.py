"""Reranking of the first hits by a linear model over what search knows of a question and a product.

The features cost no model: vectors and term weights are there already. Their weights are learned from questions whose
product is known (``python -m finetune reranker``) and shipped as JSON that can be read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import same_vectors
from retrieval.errors import ModelNotFound, nearest_path
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.text import sentences, terms

DEFAULT_RERANKER = Path(__file__).parent / "tuned" / "reranker.json"
FORMAT = "product-qa-reranker"
RERANK_DEPTH = 50
FEATURES = (
    "fused_score",
    "cosine",
    "bm25",
    "covered_by_title",
    "covered_by_content",
    "covered",
    "covered_count",
    "covered_by_best_sentence",
    "rarest_covered",
    "title_asked_for",
    "neighbours_kept",
    "model_numbers_covered",
    "title_token_set_ratio",
    "title_partial_ratio",
    "log_content_terms",
)
_SENTENCES_LOOKED_AT = 40
_NO_MODEL_NUMBER = 0.8

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Terms:
    """The index terms of a product, taken apart once."""

    title: frozenset[str]
    content: frozenset[str]
    of_sentences: tuple[frozenset[str], ...]
    neighbours: frozenset[tuple[str, str]]
    length: int


@lru_cache(maxsize=20_000)
def _terms_of(product: Product) -> _Terms:
    title, by_sentence = terms(product.title), [terms(sentence) for sentence in sentences(product.content)]
    content = list(chain.from_iterable(by_sentence))
    return _Terms(
        frozenset(title),
        frozenset(content),
        tuple(map(frozenset, by_sentence[:_SENTENCES_LOOKED_AT])),
        frozenset(pairwise(title)) | frozenset(pairwise(content)),
        len(content),
    )


def features(query: Query, hits: Sequence[Hit]) -> Features:
    """Describe how each hit fits a question.

    Args:
        query: The question, its terms weighted.
        hits: Hits of plain fusion.

    Returns:
        An array ``(hits, len(FEATURES))``: shares in [0, 1], but for BM25 (per unit of the question's weight), the
        fused score (times 100) and the logarithm of the content's length in terms.
    """
    from rapidfuzz import fuzz

    question = query.english.lower()
    total = sum(wanted.weight for wanted in query.wanted) or 1.0
    rarest = max(query.wanted, key=lambda wanted: wanted.weight)
    numbers = [wanted for wanted in query.wanted if any(char.isdigit() for char in wanted.spellings[0])]
    said = terms(query.phrases[-1])
    pairs = set(pairwise(said))
    asked = set(query.terms)
    rows = []
    for hit in hits:
        own = _terms_of(hit.product)
        every = own.title | own.content
        title = hit.product.title.lower()
        rows.append(
            (
                hit.score * 100,
                hit.cosine or 0.0,
                (hit.bm25 or 0.0) / total,
                query.coverage(own.title),
                query.coverage(own.content),
                query.coverage(every),
                sum(wanted.is_among(every) for wanted in query.wanted) / len(query.wanted),
                max((query.coverage(sentence) for sentence in own.of_sentences), default=0.0),
                float(rarest.is_among(every)),
                len(own.title & asked) / (len(own.title) or 1),
                len(pairs & own.neighbours) / (len(pairs) or 1),
                sum(n.is_among(every) for n in numbers) / len(numbers) if numbers else _NO_MODEL_NUMBER,
                fuzz.token_set_ratio(question, title) / 100,
                fuzz.partial_ratio(question, title) / 100,
                math.log1p(own.length),
            )
        )
    return np.asarray(rows, dtype=np.float64).reshape(-1, len(FEATURES))


class Reranker:
    """A weight for each feature; the score of a hit is their weighted sum."""

    def __init__(self, weights: dict[str, float], encoder: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
        """Keep the weights.

        Args:
            weights: By feature.
            encoder: The ``encoder`` entry of the manifest of the index they were learned on: cosines of another encoder
                have another scale.
            facts: How they were learned.
        """
        self.weights = weights
        self.encoder = encoder
        self.facts = facts or {}
        self._vector = np.asarray([weights[name] for name in FEATURES])

    @classmethod
    def open(cls, path: Path) -> Reranker:
        """Read weights from a JSON file.

        Raises:
            ModelNotFound: There is no such file, or it is not a reranker with these features.
        """
        if not path.is_file():
            raise ModelNotFound(f"No reranker at {path}{nearest_path(path)}.")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["format"] == FORMAT and set(stored["weights"]) == set(FEATURES):
                weights = {name: float(stored["weights"][name]) for name in FEATURES}
                return cls(weights, stored["encoder"], stored["facts"])
        except (ValueError, KeyError, TypeError):
            pass
        raise ModelNotFound(f"{path} is not a reranker of this version; learn one with: python -m finetune reranker.")

    def save(self, path: Path) -> None:
        """Write the weights as JSON."""
        stored = {"format": FORMAT, "weights": self.weights, "encoder": self.encoder, "facts": self.facts}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")

    def fits(self, encoder: dict[str, Any]) -> bool:
        """Tell whether an index with this ``encoder`` entry has the vectors that the weights were learned on."""
        return same_vectors(self.encoder, encoder)

    def rerank(self, query: Query, hits: Sequence[Hit]) -> list[Hit]:
        """Order hits by the weighted sum of their features, which becomes their score; equals keep their order."""
        scores: list[float] = (features(query, hits) @ self._vector).tolist()
        ordered = sorted(zip(scores, hits, strict=True), key=lambda pair: -pair[0])
        return [replace(hit, rank=rank, score=score) for rank, (score, hit) in enumerate(ordered, start=1)]
