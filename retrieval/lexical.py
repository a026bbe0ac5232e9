"""Lexical half of the index: BM25 over title and content."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retrieval.errors import IndexDamaged, IndexStoreError
from retrieval.files import share
from retrieval.query import Query
from retrieval.schema import Product
from retrieval.text import analyzer, terms

if TYPE_CHECKING:
    import tantivy
    from rank_bm25 import BM25Okapi

LEXICAL_FOLDER = "lexical"
TITLE_WEIGHT = 3
PHRASE_BOOST = 2.0
K1, B = 1.2, 0.75
_ANALYZER = "product_text"
_WRITER_BYTES = 256 * 1024 * 1024
_REMOVALS = 3
"""Attempts to remove a folder in which tantivy's watcher, a thread of its own, may still be locking a file."""


def inverse_document_frequency(term_frequency: Callable[[str], int], documents: int) -> Callable[[str], float]:
    """Return the BM25 weight of terms: ln(1 + (N - df + 0.5) / (df + 0.5)), always positive.

    Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3, with Lucene's 1 +.

    Args:
        term_frequency: Gives the number of documents that hold a term.
        documents: Number of documents.
    """

    def weight(term: str) -> float:
        frequency = term_frequency(term)
        return math.log1p((documents - frequency + 0.5) / (frequency + 0.5))

    return weight


def weighted_text(product: Product) -> str:
    """Return what BM25 scores: the title, repeated by its weight, and the content."""
    return " ".join([product.title] * TITLE_WEIGHT + [product.content])


class LexicalIndex(Protocol):
    """Ranks products by the words they share with a question."""

    def __len__(self) -> int: ...

    def search(self, query: Query, k: int) -> list[tuple[int, float]]:
        """Return pairs of row and BM25 score of products that share a term, best first, equal scores in row order."""

    def document_frequency(self, term: str) -> int:
        """Return how many products have an index term."""

    def terms_with_prefix(self, prefix: str) -> list[tuple[str, int]]:
        """Return the index terms that begin with a prefix, and how many products have each."""


class TantivyIndex:
    """BM25 (k1 = 1.2, b = 0.75) by tantivy, on disk, over title and content as one weighted field.

    The title counts three times in that field: the weights of Robertson, Zaragoza & Taylor, "Simple BM25 extension to
    multiple weighted fields", CIKM 2004, which found it better than adding up the scores of separate fields, and so did
    we. Stages of the question are also looked for as phrases of a title.
    """

    def __init__(self, folder: Path) -> None:
        """Open the index below a generation's folder.

        Raises:
            IndexDamaged: Tantivy cannot read it.
        """
        import tantivy

        path = folder / LEXICAL_FOLDER
        self._path = path
        with _damage_told(path), _writable(path) as opened:
            self._index = tantivy.Index.open(str(opened))
            self._index.register_tokenizer(_ANALYZER, analyzer())
            self._searcher = self._index.searcher()
        self._schema = self._index.schema

    @staticmethod
    def write(products: Iterable[Product], folder: Path) -> None:
        """Index products in their order below a folder. One writer thread, so that equal input gives an equal index.

        Raises:
            IndexStoreError: The files cannot be written.
        """
        import tantivy

        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("row", indexed=True, fast=True)
        builder.add_text_field("title", tokenizer_name=_ANALYZER, index_option="position")
        builder.add_text_field("text", tokenizer_name=_ANALYZER, index_option="freq")
        path = folder / LEXICAL_FOLDER
        shutil.rmtree(path, ignore_errors=True)  # of a build that was cut off
        path.mkdir()
        _write(tantivy.Index(builder.build(), path=str(path)), path, enumerate(products))

    @staticmethod
    def write_changed(before: Path, folder: Path, removed: Sequence[int], added: Iterable[tuple[int, Product]]) -> None:
        """Write the index of another generation with some rows removed and some added; its files are shared.

        The removed rows still count in the statistics of terms until their files are merged.

        Args:
            before: Folder of the other generation.
            folder: Where the index is put.
            removed: Rows that are found no more.
            added: Rows and their products.

        Raises:
            IndexStoreError: The files cannot be written.
        """
        import tantivy

        path = folder / LEXICAL_FOLDER
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        for file in (before / LEXICAL_FOLDER).iterdir():
            if file.suffix != ".lock":
                share(file, path / file.name)  # tantivy replaces files, and changes none
        _write(tantivy.Index.open(str(path)), path, added, removed)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def document_frequency(self, term: str) -> int:
        """Return how many products have an index term."""
        return int(self._searcher.doc_freq("text", term))

    def terms_with_prefix(self, prefix: str) -> list[tuple[str, int]]:
        """Return the index terms that begin with a prefix, and how many products have each."""
        return self._searcher.terms_with_prefix("text", prefix)

    def search(self, query: Query, k: int) -> list[tuple[int, float]]:
        """Return pairs of row and BM25 score, best first."""
        with _damage_told(self._path):
            result = self._searcher.search(self._clauses(query), limit=k, count=False)
            rows = self._searcher.fast_field_values("row", [address for _, address in result.hits])
        pairs = [(int(row or 0), float(score or 0)) for row, (score, _) in zip(rows, result.hits, strict=True)]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def _clauses(self, query: Query) -> tantivy.Query:
        from tantivy import Occur
        from tantivy import Query as Clause

        clauses = [Clause.term_query(self._schema, "text", term) for term in query.terms]
        for phrase in query.phrases:
            sequence: list[str | tuple[int, str]] = [*terms(phrase)]
            if len(sequence) > 1:
                clauses.append(Clause.boost_query(Clause.phrase_query(self._schema, "title", sequence), PHRASE_BOOST))
        return Clause.boolean_query([(Occur.Should, clause) for clause in clauses])


class RankBM25Index:
    """BM25 Okapi by rank-bm25: every product is scored. The exact reference; made in memory when it is opened.

    The same weighted text and the same weights of terms as in ``TantivyIndex``; phrases are not looked for.
    """

    def __init__(self, products: Iterable[Product]) -> None:
        """Score against these products."""
        from rank_bm25 import BM25Okapi

        texts = [terms(weighted_text(product)) or [""] for product in products]
        self._bm25: BM25Okapi = BM25Okapi(texts, k1=K1, b=B)
        self._frequency = Counter(term for held in self._bm25.doc_freqs for term in held)
        weight = inverse_document_frequency(self._frequency.__getitem__, len(texts))
        self._bm25.idf = {term: weight(term) for term in self._frequency}

    def __len__(self) -> int:
        return int(self._bm25.corpus_size)

    def document_frequency(self, term: str) -> int:
        """Return how many products have an index term."""
        return self._frequency[term]

    def terms_with_prefix(self, prefix: str) -> list[tuple[str, int]]:
        """Return the index terms that begin with a prefix, and how many products have each."""
        return [(term, count) for term, count in self._frequency.items() if term.startswith(prefix)]

    def search(self, query: Query, k: int) -> list[tuple[int, float]]:
        """Return pairs of row and BM25 score, best first."""
        scores = self._bm25.get_scores(list(query.terms))
        sharing = [row for row, held in enumerate(self._bm25.doc_freqs) if not held.keys().isdisjoint(query.terms)]
        ranked = sorted(((row, float(scores[row])) for row in sharing), key=lambda pair: (-pair[1], pair[0]))
        return ranked[:k]


def _write(index: tantivy.Index, path: Path, added: Iterable[tuple[int, Product]], removed: Sequence[int] = ()) -> None:
    import tantivy

    index.register_tokenizer(_ANALYZER, analyzer())
    writer = index.writer(heap_size=_WRITER_BYTES, num_threads=1)
    try:
        if removed:
            writer.delete_documents_by_query(tantivy.Query.term_set_query(index.schema, "row", removed))
        for row, product in added:
            document = tantivy.Document()
            document.add_unsigned("row", row)
            document.add_text("title", product.title)
            document.add_text("text", weighted_text(product))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
    except (ValueError, OSError) as error:
        raise IndexStoreError(f"Cannot write {path}: {error}.") from error
    for file in path.iterdir():
        if file.suffix == ".lock":
            file.unlink()
        else:
            file.chmod(path.stat().st_mode & 0o666)  # some of them tantivy lets nobody else read


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turn what tantivy makes of damaged files, errors and panics of Rust, into an error that names the folder."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, ValueError | OSError) or type(error).__name__ == "PanicException":
            told = f"{path} is not a readable tantivy index ({error}); build the index again."
            raise IndexDamaged(told) from error
        raise


@contextmanager
def _writable(path: Path) -> Iterator[Path]:
    """Give a folder to open an index in, as tantivy locks a file there even to read; all is mapped when it is open."""
    if os.access(path, os.W_OK):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="lexical-"))
    try:
        for file in path.iterdir():
            if file.suffix != ".lock":
                (folder / file.name).symlink_to(file.resolve())
        yield folder
    finally:
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
