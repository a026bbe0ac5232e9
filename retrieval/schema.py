"""The records that pass between the parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the catalogue, its texts cleaned.

    Attributes:
        uid: Identifier in the catalogue.
        title: Cleaned title, never empty.
        content: Cleaned description, never empty.
        twins: Identifiers of other rows with exactly this title and content.
    """

    uid: str
    title: str
    content: str
    twins: tuple[str, ...] = ()

    def is_any_of(self, uids: tuple[str, ...] | list[str] | set[str]) -> bool:
        """Tell whether this product, or one of its twins, is among ``uids``."""
        return self.uid in uids or any(twin in uids for twin in self.twins)


@dataclass(frozen=True, slots=True)
class Hit:
    """A product that a search returned.

    Attributes:
        product: The product.
        rank: Place in the fused ranking, from 1.
        score: The reranker's score among the first fifty hits, where there is one, else the fused score; where near
            hits were read again, with what that adds. A rank signal, comparable only with its like inside one search.
        dense_rank: Place in the dense ranking, from 1; None when it was not there.
        lexical_rank: Place in the lexical ranking, from 1; None when it was not there.
        cosine: Cosine between question and product, in [-1, 1]; None for a product that was not searched for.
        bm25: BM25 score; None when not in the lexical ranking.
    """

    product: Product
    rank: int
    score: float
    dense_rank: int | None = None
    lexical_rank: int | None = None
    cosine: float | None = None
    bm25: float | None = None
