"""Building of an index: catalogue files in, a whole index folder out, or nothing."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from retrieval.catalog import Catalogue
from retrieval.dense import DenseIndex
from retrieval.encoder import Encoder, SentenceTransformerEncoder
from retrieval.errors import UsageError
from retrieval.files import sha256_of_files
from retrieval.generation import build_into
from retrieval.index import HybridIndex
from retrieval.lexical import K1, PHRASE_BOOST, TITLE_WEIGHT, B, TantivyIndex
from retrieval.reader import DEFAULT_MAX_ERRORS, CatalogueReader, Reject, RejectLog
from retrieval.schema import Product
from retrieval.vectors import VectorShards

REJECTS_FILE = "rejects.jsonl"
FIELDS = ("title", "content")
LEXICAL_BACKENDS = ("tantivy", "rank-bm25")
_ENCODE_AT_ONCE = 16_384
_SHARDS = "shards"
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
) -> HybridIndex:
    """Build an index from catalogue files; it appears in the folder when it is whole.

    Malformed lines go to ``rejects.jsonl`` in the folder.

    Args:
        catalogues: Files of JSON lines, plain or gzip.
        folder: Where the index is put.
        encoder: Encoder of the dense half; all-MiniLM-L6-v2 by default.
        options: How to build.
        on_reject: Also called with each malformed line.
        progress: Called as the work goes on.

    Raises:
        CatalogueError: No usable row, or too many malformed lines.
        IndexExists: There is an index and ``options.force`` is not set.
        IndexLocked: Another process builds in this folder.
        ModelNotFound: The default encoder is not installed.
    """
    folder = Path(folder)
    options = options or BuildOptions()
    report_progress = progress or _silent
    encoder = encoder or SentenceTransformerEncoder()
    with build_into(folder, force=options.force) as generation:
        log = RejectLog(folder / REJECTS_FILE)

        def note(reject: Reject) -> None:
            log(reject)
            if on_reject is not None:
                on_reject(reject)

        reader = CatalogueReader(
            catalogues, limit=options.limit, seed=options.seed, max_errors=options.max_errors, on_reject=note
        )
        catalogue = Catalogue.write(reader, generation.folder, lambda done: report_progress("read", done, None))
        if options.lexical == "tantivy":
            done = partial(report_progress, "lexical")
            TantivyIndex.write(_counted(catalogue, done), generation.folder)
        shards = VectorShards(generation.folder / _SHARDS)
        _encode(catalogue, encoder, options, shards, report_progress)
        dense = DenseIndex.build(shards, encoder.encode_queries(_sample_questions(catalogue)))
        dense.save(generation.folder)
        shutil.rmtree(shards.folder)
        generation.commit(
            {
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "counts": reader.report.as_dict(),
                "catalogue": {
                    "files": [path.name for path in reader.paths],
                    "sha256": sha256_of_files(reader.paths),
                    "limit": options.limit,
                    "seed": options.seed if options.limit else None,
                },
                "encoder": encoder.identity.as_dict()
                | {"fields": list(options.fields), "lead_words": options.lead_words},
                "dense": dense.parameters,
                "lexical": {
                    "backend": options.lexical,
                    "k1": K1,
                    "b": B,
                    "title_weight": TITLE_WEIGHT,
                    "phrase_boost": PHRASE_BOOST if options.lexical == "tantivy" else None,
                },
                "libraries": {name: _version(name) for name in _LIBRARIES},
            }
        )
    return HybridIndex.open(folder, encoder=encoder)


def _encode(
    catalogue: Catalogue, encoder: Encoder, options: BuildOptions, shards: VectorShards, progress: Progress
) -> None:
    for start in range(shards.rows, len(catalogue), _ENCODE_AT_ONCE):
        rows = range(start, min(start + _ENCODE_AT_ONCE, len(catalogue)))
        shards.append(encoder.encode_passages([passage(catalogue[row], options) for row in rows]))
        progress("encode", rows.stop, len(catalogue))


def _sample_questions(catalogue: Catalogue) -> list[str]:
    """Return every other word of some titles: as little as a vague question holds, to measure recall with."""
    step = max(1, len(catalogue) // _SAMPLED_QUESTIONS)
    return [" ".join(catalogue[row].title.split()[::2]) for row in range(0, len(catalogue), step)]


def passage(product: Product, options: BuildOptions) -> str:
    """Return the text of a product that is encoded."""
    if options.fields == ("title",):
        return product.title
    return f"{product.title}. {' '.join(product.content.split()[: options.lead_words])}"


def _counted(catalogue: Catalogue, progress: Callable[[int, int], None]) -> Iterator[Product]:
    for done, product in enumerate(catalogue, start=1):
        yield product
        progress(done, len(catalogue))


def _silent(_step: str, _done: int, _total: int | None) -> None:
    pass


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
