"""The hybrid index: catalogue, dense and lexical halves, opened and searched as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from retrieval.catalog import Catalogue
from retrieval.dense import DenseIndex, Mask
from retrieval.encoder import Encoder, EncoderIdentity, SentenceTransformerEncoder, Vectors
from retrieval.errors import EncoderMismatch, IndexDamaged, UsageError
from retrieval.fusion import RRF_K, reciprocal_rank_fusion
from retrieval.lexical import LexicalIndex, RankBM25Index, TantivyIndex, inverse_document_frequency
from retrieval.query import Query, Wanted, parse_question
from retrieval.rerank import DEFAULT_RERANKER, RERANK_DEPTH, Reranker
from retrieval.schema import Hit, Product
from retrieval.spelling import Speller
from retrieval.storage import check_files, read_manifest

DEFAULT_K = 4
CANDIDATES = 100
Ranking = list[tuple[int, float]]
"""Rows and their scores, best first."""


class HybridIndex:
    """Searches a catalogue by meaning and by words.

    Open one with ``HybridIndex.open``; ``retrieval.build.build_index`` makes one. It is read-only and safe to share
    between threads; an index that is built anew does not disturb those who have the old one open.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], catalogue: Catalogue, dense: DenseIndex, encoder: Encoder | None
    ) -> None:
        """Compose the parts; ``open`` is the way to do so."""
        self.folder = folder
        self.manifest = manifest
        self.catalogue = catalogue
        self.reranker: Reranker | None = None
        self._dense = dense
        self._excluded: Mask | None = None
        self._given_encoder = encoder
        self._opening = Lock()
        self._beside = ThreadPoolExecutor()  # one half searches while the other does: neither holds Python's lock

    @classmethod
    def open(
        cls, folder: Path | str, *, encoder: Encoder | None = None, rerank: str = "auto", every_byte: bool = False
    ) -> HybridIndex:
        """Open an index: products, vectors and BM25 together, or not at all.

        Files are memory-mapped, and hashed when they are not as the build left them.

        Args:
            folder: The index folder.
            encoder: The encoder it was built with. When not given, the manifest names it; the first search loads it.
            rerank: ``auto`` reranks with the weights that ship, where they were learned with this index's encoder;
                ``none`` does not rerank; anything else is a file of weights.
            every_byte: Hash all files before any is used.

        Raises:
            IndexStoreError: Its subclass says what is wrong: not found, incomplete, foreign, version, damaged.
            EncoderMismatch: ``encoder`` is not the one it was built with, or the weights were learned with another.
            ModelNotFound: No such file of weights.
        """
        folder = Path(folder)
        index = cls._open_generation(folder, encoder, every_byte)
        if encoder is not None:
            encoder.identity.check_same(index.encoder_identity)
        index.reranker = _reranker(rerank, index.manifest["encoder"])
        return index

    @classmethod
    def _open_generation(cls, folder: Path, encoder: Encoder | None, every_byte: bool) -> HybridIndex:
        """Open the generation in force.

        What happened counts only if that generation is still in force afterwards: otherwise files may have gone while
        they were opened, which not every library tells.
        """
        while True:
            manifest = read_manifest(folder)
            outcome: HybridIndex | Exception
            try:
                check_files(folder, manifest, every_byte=every_byte)
                outcome = cls._compose(folder, manifest, encoder)
            except Exception as error:
                outcome = error
            if read_manifest(folder)["generation"] == manifest["generation"]:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

    @classmethod
    def _compose(cls, folder: Path, manifest: dict[str, Any], encoder: Encoder | None) -> HybridIndex:
        generation = folder / manifest["generation"]
        dense = DenseIndex.open(generation, manifest["dense"])
        index = cls(folder, manifest, Catalogue(generation), dense, encoder)
        if manifest["lexical"]["backend"] == "tantivy":
            index._lexical = TantivyIndex(generation)
        removed = int(np.count_nonzero(index.catalogue.removed))
        index._excluded = index.catalogue.removed if removed else None
        sizes = {
            "manifest": manifest["counts"]["usable"],
            "products": len(index.catalogue),
            "vectors": len(dense) - removed,
            "BM25": len(index._lexical),
        }
        if len(set(sizes.values())) != 1:
            raise IndexDamaged(f"The parts of {folder} are out of step ({sizes}); build the index again.")
        return index

    @cached_property
    def _lexical(self) -> LexicalIndex:
        return RankBM25Index(self.catalogue)

    @cached_property
    def _weight(self) -> Callable[[str], float]:
        return inverse_document_frequency(self._lexical.document_frequency, len(self))

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self._lexical.terms_with_prefix)

    @cached_property
    def _encoder(self) -> Encoder:
        encoder = self._given_encoder or SentenceTransformerEncoder(self.encoder_identity.id)
        encoder.identity.check_same(self.encoder_identity)
        return encoder

    @property
    def encoder(self) -> Encoder:
        """Its encoder; made when first asked for."""
        with self._opening:
            return self._encoder

    @property
    def encoder_identity(self) -> EncoderIdentity:
        """The encoder it was built with."""
        recorded = self.manifest["encoder"]
        return EncoderIdentity(recorded["id"], recorded["weights_sha256"], recorded["dimension"])

    def __len__(self) -> int:
        return len(self.catalogue)

    def search(self, question: str, k: int = DEFAULT_K) -> list[Hit]:
        """Find the products that a question is about.

        Args:
            question: As a shopper types it.
            k: Products wanted.

        Returns:
            At most ``k`` hits, best first.

        Raises:
            QuestionError: The question is empty or too long.
            UsageError: ``k`` is not positive.
        """
        return self.search_batch([question], k)[0]

    def query(self, question: str) -> Query:
        """Read a question: its terms weighted, with likely spellings for those the catalogue does not know.

        Raises:
            QuestionError: The question is empty or too long.
        """
        query = parse_question(question)
        return replace(query, wanted=tuple(map(self._weighted, query.wanted)))

    def _weighted(self, wanted: Wanted) -> Wanted:
        """Add likely spellings to a term that stands alone, and weigh it as its commonest spelling."""
        spellings = wanted.spellings
        if len(spellings) == 1:
            spellings = (*spellings, *self._speller.alternatives(spellings[0]))
        return Wanted(spellings, min(map(self._weight, spellings)))

    def search_batch(self, questions: Sequence[str], k: int = DEFAULT_K) -> list[list[Hit]]:
        """Search for many questions; they are encoded together. See ``search``."""
        return self.search_queries([self.query(question) for question in questions], k)

    def search_queries(self, queries: Sequence[Query], k: int = DEFAULT_K) -> list[list[Hit]]:
        """Search for questions that ``query`` has read already. See ``search``."""
        if k < 1:
            raise UsageError(f"k is {k}; it must be at least 1.")
        if not queries:
            return []
        depth = min(max(k, CANDIDATES), len(self))  # tantivy makes room for as many as it is asked for
        vectors = self.encoder.encode_queries([query.english for query in queries])
        dense = self._beside.submit(self._dense.search, vectors, depth, self._excluded)
        lexical = [self._lexical.search(query, depth) for query in queries]
        return [
            self._hits(query, vector, nearest, matching, k)
            for query, vector, nearest, matching in zip(queries, vectors, dense.result(), lexical, strict=True)
        ]

    def _hits(self, query: Query, vector: Vectors, dense: Ranking, lexical: Ranking, k: int) -> list[Hit]:
        depth = k if self.reranker is None else max(k, RERANK_DEPTH)
        ranks = [{row: rank for rank, (row, _) in enumerate(ranking, start=1)} for ranking in (dense, lexical)]
        fused = reciprocal_rank_fusion([list(of_half) for of_half in ranks], RRF_K)[:depth]
        cosines = self._dense.cosines(vector, [row for row, _ in fused])
        bm25 = dict(lexical)
        hits = [
            Hit(self.catalogue.at(row), rank, score, ranks[0].get(row), ranks[1].get(row), cosine, bm25.get(row))
            for rank, ((row, score), cosine) in enumerate(zip(fused, cosines, strict=True), start=1)
        ]
        if self.reranker is not None:
            hits[:RERANK_DEPTH] = self.reranker.rerank(query, hits[:RERANK_DEPTH])
        return hits[:k]

    def product(self, uid: str) -> Product | None:
        """Return the product with this uid, or whose twin has it; None when there is none."""
        row = self.catalogue.find(uid)
        return None if row is None else self.catalogue.at(row)

    def verify(self) -> None:
        """Hash every file.

        Raises:
            IndexIncomplete: A file is missing.
            IndexDamaged: A file differs.
        """
        check_files(self.folder, self.manifest, every_byte=True)


def _reranker(choice: str, encoder: dict[str, Any]) -> Reranker | None:
    if choice == "none":
        return None
    reranker = Reranker.open(DEFAULT_RERANKER if choice == "auto" else Path(choice))
    if reranker.fits(encoder):
        return reranker
    if choice == "auto":
        return None
    raise EncoderMismatch(
        f"The reranker {choice} was learned with encoder {reranker.encoder['id']}, not {encoder['id']}."
    )
