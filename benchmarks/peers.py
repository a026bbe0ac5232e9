"""The same products, questions and encoder through this project, txtai's hybrid, and rank-bm25 with FAISS put together.

python -m benchmarks.peers --catalogue FILE --planted indexes/sample --rows 100000 --encoder static --name RESULT

The products of the planted catalogue are mixed into the first rows of the other; its questions are asked. Each system
builds and searches in a process of its own. ``pip install '.[bench]'`` adds txtai.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.record import write_result
from benchmarks.scale import peak_gib
from retrieval.build import BuildOptions, build_index, passage
from retrieval.encoder import SentenceTransformerEncoder, Vectors
from retrieval.fusion import RRF_K, reciprocal_rank_fusion
from retrieval.index import CANDIDATES, HybridIndex
from retrieval.models import STATIC_ENCODER
from retrieval.question_file import FINDABLE, Question, read_questions
from retrieval.reader import CatalogueReader
from retrieval.text import words

K = 4
Search = Callable[[str], list[str]]
"""A question to the uids of the first hits."""


def ours(catalogue: Path, folder: Path, encoder: str) -> Search:
    build_index([catalogue], folder, encoder=SentenceTransformerEncoder(encoder))
    index = HybridIndex.open(folder)
    return lambda question: [uid for hit in index.search(question, K) for uid in (hit.product.uid, *hit.product.twins)]


def txtai_hybrid(catalogue: Path, folder: Path, encoder: str) -> Search:
    from txtai import Embeddings

    model = SentenceTransformerEncoder(encoder)

    def transform(texts: list[str]) -> Vectors:  # which has to be a plain function
        return model.encode_passages(texts)

    embeddings = Embeddings(method="external", transform=transform, hybrid=True)
    embeddings.index((p.uid, f"{p.title}. {p.content}", None) for p in CatalogueReader([catalogue]))
    embeddings.save(str(folder))
    return lambda question: [uid for uid, _ in embeddings.search(question, K)]


def by_hand(catalogue: Path, folder: Path, encoder: str) -> Search:
    import faiss
    from rank_bm25 import BM25Okapi

    model = SentenceTransformerEncoder(encoder)
    products = list(CatalogueReader([catalogue]))
    flat = faiss.IndexFlatIP(model.identity.dimension)
    flat.add(model.encode_passages([passage(product, BuildOptions()) for product in products]))
    bm25 = BM25Okapi([words(f"{product.title} {product.content}".lower()) for product in products])
    folder.mkdir()
    faiss.write_index(flat, str(folder / "vectors.faiss"))  # rank-bm25 has no format of its own on disk

    def search(question: str) -> list[str]:
        dense = flat.search(model.encode_queries([question]), CANDIDATES)[1][0].tolist()
        lexical = np.argsort(-bm25.get_scores(words(question.lower())), kind="stable")[:CANDIDATES].tolist()
        return [products[row].uid for row, _ in reciprocal_rank_fusion([dense, lexical], RRF_K)[:K]]

    return search


SYSTEMS = {"product-qa": ours, "txtai hybrid": txtai_hybrid, "rank-bm25 + FAISS flat": by_hand}


def measure(name: str, catalogue: Path, folder: Path, encoder: str, asked: Sequence[Question]) -> dict[str, Any]:
    SentenceTransformerEncoder(encoder).encode_queries(["the libraries are loaded before the clock runs"])
    began = perf_counter()
    search = SYSTEMS[name](catalogue, folder, encoder)
    built = perf_counter() - began
    at_build = peak_gib()
    search(asked[0].question)
    spent, ranks = [], []
    for question in asked:
        began = perf_counter()
        found = search(question.question)
        spent.append((perf_counter() - began) * 1_000)
        ranks.append(next((rank for rank, uid in enumerate(found, start=1) if uid in question.uids), None))
    vague = [rank for question, rank in zip(asked, ranks, strict=True) if question.noise == "vague"]
    p50, p95 = np.quantile(spent, (0.5, 0.95))
    return {
        "build_seconds": round(built, 1),
        "build_peak_gib": at_build,
        "disk_mib": round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20, 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        **{f"hit@{k}": share(ranks, k) for k in (1, K)},
        **{f"vague: hit@{k}": share(vague, k) for k in (1, K)},
    }


def share(ranks: Sequence[int | None], k: int) -> float:
    return round(sum(rank is not None and rank <= k for rank in ranks) / len(ranks), 3)


def mixed(catalogue: Path, planted: Path, rows: int, out: Path) -> None:
    """Write the first rows of a catalogue with those of another spread among them."""
    with planted.open("rb") as stream:
        among = stream.readlines()
    step = rows // len(among)
    with catalogue.open("rb") as stream, out.open("wb") as mixture:
        for number, line in enumerate(islice(stream, rows)):
            if number % step == 0 and among:
                mixture.write(among.pop())
            mixture.write(line)
        mixture.writelines(among)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", type=Path, required=True, help="a plain file that the planted products go into")
    parser.add_argument("--planted", type=Path, required=True, help="folder of trn.json and questions.jsonl")
    parser.add_argument("--rows", type=int, default=100_000, help="of the catalogue (default: %(default)s)")
    parser.add_argument("--encoder", default=STATIC_ENCODER, help="of all systems (default: %(default)s)")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    planted = options.planted / "questions.jsonl"
    asked = [question for question in read_questions(planted) if question.kind in FINDABLE]
    figures: dict[str, Any] = {"rows": options.rows, "questions": len(asked), "encoder": options.encoder}
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder) / "trn.json"
        mixed(options.catalogue, options.planted / "trn.json", options.rows, catalogue)
        for number, name in enumerate(SYSTEMS):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                arguments = (name, catalogue, Path(folder) / f"index-{number}", options.encoder, asked)
                figures[name] = pool.submit(measure, *arguments).result()
            print(name, json.dumps(figures[name]))
    write_result(options.name, figures, [options.catalogue, planted])


if __name__ == "__main__":
    main()
