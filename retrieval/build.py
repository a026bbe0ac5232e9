"""Building of an index: catalogue files in, a whole index folder out, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from retrieval.catalog import Catalogue
from retrieval.dense import EXACT_UP_TO, DenseIndex
from retrieval.encoder import Encoder, SentenceTransformerEncoder
from retrieval.errors import UsageError
from retrieval.files import sha256_of_files
from retrieval.generation import Builder, build_into
from retrieval.index import HybridIndex
from retrieval.lexical import K1, LEXICAL_FOLDER, PHRASE_BOOST, TITLE_WEIGHT, B, TantivyIndex
from retrieval.machine import versions_of
from retrieval.reader import DEFAULT_MAX_ERRORS, CatalogueReader
from retrieval.rejects import Reject, RejectLog
from retrieval.schema import Product
from retrieval.vectors import VectorShards

REJECTS_FILE = "rejects.jsonl"
FIELDS = ("title", "content")
LEXICAL_BACKENDS = ("tantivy", "rank-bm25")
_ENCODE_AT_ONCE = 16_384
_SAMPLED_QUESTIONS = 256
_LIBRARIES = (
    "product-qa",
    "faiss-cpu",
    "tantivy",
    "sentence-transformers",
    "transformers",
    "torch",
    "pyarrow",
    "numpy",
)

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a step, what is done of it and, where known, its total."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How an index is built.

    Attributes:
        fields: What the dense half encodes: the title alone, or the title and the lead of the content.
        lead_words: Length of that lead in words.
        lexical: ``tantivy``, or ``rank-bm25``, the slow and exact reference.
        limit: Index a uniform sample of that many catalogue rows.
        seed: Seed of that sample.
        max_errors: Malformed catalogue lines to tolerate.
        force: Replace an index that is there already.
    """

    fields: tuple[str, ...] = FIELDS
    lead_words: int = 60
    lexical: str = "tantivy"
    limit: int | None = None
    seed: int = 0
    max_errors: int = DEFAULT_MAX_ERRORS
    force: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: A value is out of range; the message names its flag.
        """
        if self.fields not in (("title",), FIELDS):
            raise UsageError(f"--fields is {','.join(self.fields)}; it must be title or title,content.")
        if self.lead_words < 1:
            raise UsageError(f"--lead-words is {self.lead_words}; it must be at least 1.")
        if self.lexical not in LEXICAL_BACKENDS:
            raise UsageError(f"--lexical is {self.lexical}; it must be one of {', '.join(LEXICAL_BACKENDS)}.")


def build_index(
    catalogues: Sequence[Path | str],
    folder: Path | str,
    *,
    encoder: Encoder | None = None,
    options: BuildOptions | None = None,
    on_reject: Callable[[Reject], None] | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> HybridIndex:
    """Build an index from catalogue files; it appears in the folder when it is whole.

    Malformed lines go to ``rejects.jsonl`` in the folder. A build of the same files in the same way that was cut off
    is gone on with: products, BM25 and each shard of vectors are made once.

    Args:
        catalogues: Files of JSON lines, plain or gzip.
        folder: Where the index is put.
        encoder: Encoder of the dense half; all-MiniLM-L6-v2 by default.
        options: How to build.
        on_reject: Also called with each malformed line.
        progress: Called as the work goes on.
        tell: Called with what a user should know.

    Raises:
        CatalogueError: No usable row, or too many malformed lines.
        IndexExists: There is an index and ``options.force`` is not set.
        IndexLocked: Another process builds in this folder.
        ModelNotFound: The default encoder is not installed.
    """
    folder = Path(folder)
    options = options or BuildOptions()
    report_progress = progress or silent
    encoder = encoder or SentenceTransformerEncoder()
    paths = [Path(path) for path in catalogues]
    CatalogueReader(paths)  # a wrong path is told before anything is done
    lexical = {
        "backend": options.lexical,
        "k1": K1,
        "b": B,
        "title_weight": TITLE_WEIGHT,
        "phrase_boost": PHRASE_BOOST if options.lexical == "tantivy" else None,
    }

    def purpose() -> dict[str, Any]:
        source = {
            "files": [path.name for path in paths],
            "sha256": sha256_of_files(paths),
            "limit": options.limit,
            "seed": options.seed if options.limit else None,
        }
        encoded = encoder.identity.as_dict() | {"fields": list(options.fields), "lead_words": options.lead_words}
        return {"catalogue": source, "encoder": encoded, "lexical": lexical, "libraries": library_versions()}

    with build_into(folder, purpose, force=options.force) as generation:
        catalogue, counts = _read(catalogues, folder, generation, options, on_reject, report_progress)
        if options.lexical == "tantivy" and generation.finished("lexical") is None:
            done = partial(report_progress, "lexical")
            TantivyIndex.write(counted(catalogue, done), generation.folder)
            generation.finish("lexical", {}, generation.folder / LEXICAL_FOLDER)
        shards = VectorShards(generation.scratch / "shards")
        if generation.resumes and tell is not None:
            tell(f"Going on with a build that was cut off: {shards.rows:,} of {len(catalogue):,} products are encoded.")
        encode(catalogue, encoder, options, shards, report_progress)
        scanned = len(catalogue) > EXACT_UP_TO
        dense = DenseIndex.build(shards, encoder.encode_queries(_sample_questions(catalogue)) if scanned else None)
        dense.save(generation.folder)
        generation.commit(
            {
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "counts": counts,
                "dense": dense.parameters,
                **generation.purpose,
            }
        )
    return HybridIndex.open(folder, encoder=encoder)


def _read(
    catalogues: Sequence[Path | str],
    folder: Path,
    generation: Builder,
    options: BuildOptions,
    on_reject: Callable[[Reject], None] | None,
    progress: Progress,
) -> tuple[Catalogue, dict[str, Any]]:
    counts = generation.finished("read")
    if counts is not None:
        return Catalogue(generation.folder), counts
    reader = CatalogueReader(
        catalogues,
        limit=options.limit,
        seed=options.seed,
        max_errors=options.max_errors,
        on_reject=log_rejects(folder, on_reject),
    )
    catalogue = Catalogue.write(reader, generation.folder, lambda done: progress("read", done, None))
    counts = reader.report.as_dict()
    generation.finish("read", counts, *catalogue.files)
    return catalogue, counts


def log_rejects(folder: Path, on_reject: Callable[[Reject], None] | None) -> Callable[[Reject], None]:
    """Start the log of malformed lines in an index folder; returns what notes one there and passes it on."""
    log = RejectLog(folder / REJECTS_FILE)

    def note(reject: Reject) -> None:
        log(reject)
        if on_reject is not None:
            on_reject(reject)

    return note


def encode(
    products: Sequence[Product], encoder: Encoder, options: BuildOptions, shards: VectorShards, progress: Progress
) -> None:
    """Encode products that are not in the shards yet; what is done is kept when it is cut off.

    Args:
        products: The products, in row order.
        encoder: The encoder.
        options: Which of their text is encoded.
        shards: Where the vectors go.
        progress: Called as the work goes on.
    """
    for start in range(shards.rows, len(products), _ENCODE_AT_ONCE):
        rows = range(start, min(start + _ENCODE_AT_ONCE, len(products)))
        shards.append(encoder.encode_passages([passage(products[row], options) for row in rows]))
        progress("encode", rows.stop, len(products))


def _sample_questions(catalogue: Catalogue) -> list[str]:
    """Return every other word of some titles: as little as a vague question holds, to measure recall with."""
    step = math.ceil(len(catalogue) / _SAMPLED_QUESTIONS)
    return [" ".join(catalogue[row].title.split()[::2]) for row in range(0, len(catalogue), step)]


def passage(product: Product, options: BuildOptions) -> str:
    """Return the text of a product that is encoded."""
    if options.fields == ("title",):
        return product.title
    return f"{product.title}. {' '.join(product.content.split()[: options.lead_words])}"


def counted(catalogue: Catalogue, progress: Callable[[int, int], None]) -> Iterator[Product]:
    """Yield the products of a catalogue; ``progress`` is called with their number and that of all."""
    for done, product in enumerate(catalogue, start=1):
        yield product
        progress(done, len(catalogue))


def silent(_step: str, _done: int, _total: int | None) -> None:
    """Show no progress."""


def library_versions() -> dict[str, str | None]:
    """Return the versions of the libraries that an index depends on."""
    return versions_of(_LIBRARIES)
