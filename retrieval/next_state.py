"""The next state of an index: its files written into a new generation, from what is there and what changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from retrieval.build import BuildOptions, Progress, counted, encode, passage
from retrieval.catalog import Catalogue
from retrieval.dense import DenseIndex
from retrieval.encoder import Vectors
from retrieval.generation import Builder
from retrieval.index import HybridIndex
from retrieval.lexical import TantivyIndex
from retrieval.revision import Revision, write_compacted, write_revised
from retrieval.vectors import VectorShards


def write_next(
    generation: Builder,
    old: HybridIndex,
    revision: Revision,
    progress: Progress,
    tell: Callable[[str], None],
) -> tuple[Catalogue, dict[str, Any], int]:
    """Write the next state of an index into a generation.

    Args:
        generation: Where it goes.
        old: The index as it is.
        revision: What changes.
        progress: Called as the work goes on.
        tell: Called with what a user should know.

    Returns:
        The catalogue, what the manifest says of the dense half, and how many texts were encoded.
    """
    vectors, encoded = _vectors(generation, old, revision, progress, tell)
    before = old.catalogue.folder
    dense = DenseIndex.extended(before, old.manifest["dense"], [vectors])
    if dense.scanned and old.manifest["lexical"]["backend"] == "tantivy":
        catalogue = write_revised(old.catalogue, revision, generation.folder)
        dense.save(generation.folder)
        added = enumerate((row.product for row in revision.rows), start=len(old.catalogue.places))
        TantivyIndex.write_changed(before, generation.folder, revision.gone, added)
        return catalogue, dense.parameters, encoded
    revised = generation.scratch / "revised"
    shutil.rmtree(revised, ignore_errors=True)
    revised.mkdir()
    catalogue = write_revised(old.catalogue, revision, revised)
    return *compact(generation, catalogue, dense, old.manifest, progress), encoded


def _vectors(
    generation: Builder, old: HybridIndex, revision: Revision, progress: Progress, tell: Callable[[str], None]
) -> tuple[Vectors, int]:
    """Return the vectors of the rows that are added; only texts that are new are encoded."""
    recorded = old.manifest["encoder"]
    options = BuildOptions(fields=tuple(recorded["fields"]), lead_words=recorded["lead_words"])
    source = np.array([-1 if row.same_text is None else row.same_text for row in revision.rows], dtype=np.int64)
    changed = [number for number, row in enumerate(revision.rows) if row.same_text is None and row.before is not None]
    before = np.array([revision.rows[number].before for number in changed], dtype=np.int64)
    for number, row, product in zip(changed, before, old.catalogue.of_rows(before), strict=True):
        if passage(product, options) == passage(revision.rows[number].product, options):
            source[number] = row
    fresh = np.flatnonzero(source < 0)
    shards = VectorShards(generation.scratch / "vectors")
    if generation.resumes:
        tell(f"Going on with an update that was cut off: {shards.rows:,} of {len(fresh):,} texts are encoded.")
    vectors = np.empty((len(source), recorded["dimension"]), dtype=np.float32)
    if len(fresh):
        encode([revision.rows[number].product for number in fresh], old.encoder, options, shards, progress)
        vectors[fresh] = np.concatenate(list(shards))
    known = np.flatnonzero(source >= 0)
    vectors[known] = DenseIndex.open(old.catalogue.folder, old.manifest["dense"]).vectors(source[known])
    return vectors, len(fresh)


def compact(
    generation: Builder, catalogue: Catalogue, dense: DenseIndex, manifest: dict[str, Any], progress: Progress
) -> tuple[Catalogue, dict[str, Any]]:
    """Write a catalogue without its removed rows, in the order of the places, with its vectors and BM25.

    Args:
        generation: Where it goes.
        catalogue: The catalogue, in another folder.
        dense: Its vectors.
        manifest: That of the index as it is.
        progress: Called as the work goes on.

    Returns:
        The catalogue, and what the manifest says of the dense half.
    """
    compacted, rows = write_compacted(catalogue, generation.folder)
    if manifest["lexical"]["backend"] == "tantivy":
        TantivyIndex.write(counted(compacted, partial(progress, "lexical")), generation.folder)
    rearranged = dense.rearranged(rows)
    rearranged.save(generation.folder)
    return compacted, rearranged.parameters
