"""Time and memory of building, opening and searching, from some thousand rows to all of them, with their growth.

python -m benchmarks.scale --catalogue FILE --sizes 10000 100000 2250000 --work FOLDER --name RESULT

Every step has a process of its own, so that its peak memory is the operating system's count. What was measured is kept
in the work folder, so that a run that is cut off goes on; delete the folder to measure anew.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.record import RESULTS, write_result
from retrieval.build import BuildOptions, build_index, passage
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.index import HybridIndex
from retrieval.models import BASE_ENCODER, DEFAULT_ENCODER, STATIC_ENCODER, resolve_model
from retrieval.reader import CatalogueReader

QUESTIONS = 300
RECALL_AT = 50
CHUNK = 16_384
ENCODED = {"title": 4_000, "title,content": 1_200}
"""Products that the transformer encoder is timed on, by fields."""
FITTED = ("build_seconds", "build_peak_gib", "index_gib", "read_seconds", "lexical_seconds", "encode_seconds", "p50_ms")


def read(catalogue: Path) -> dict[str, Any]:
    reader = CatalogueReader([catalogue])
    began = perf_counter()
    usable = sum(1 for _ in reader)
    seconds = perf_counter() - began
    return {"usable": usable, "parse_rows_a_second": round(reader.report.rows / seconds), "read_peak_gib": peak_gib()}


def build(catalogue: Path, out: Path, encoder: str) -> dict[str, Any]:
    loaded = SentenceTransformerEncoder(encoder)
    loaded.encode_queries(["the libraries are loaded before the clock runs"])
    ended: dict[str, float] = {}
    began = perf_counter()
    index = build_index(
        [catalogue],
        out,
        encoder=loaded,
        options=BuildOptions(force=True),
        progress=lambda step, _done, _total: ended.update({step: perf_counter() - began}),
    )
    seconds = perf_counter() - began
    steps = {"read": ended["read"], "lexical": ended["lexical"], "encode": ended["encode"], "vectors_and_seal": seconds}
    spent = np.diff([0.0, *steps.values()])
    return {
        "products": len(index),
        "build_seconds": round(seconds, 1),
        **{f"{step}_seconds": round(float(each), 1) for step, each in zip(steps, spent, strict=True)},
        "build_peak_gib": peak_gib(),
        "index_gib": round(sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 2**30, 3),
        "dense": index.manifest["dense"],
    }


def search(folder: Path) -> dict[str, Any]:
    began = perf_counter()
    index = HybridIndex.open(folder, rerank="none")
    opened = perf_counter() - began
    at_open = resident_gib()
    questions = questions_about(index)
    for question in questions[:20]:
        index.search(question)
    spent = []
    for question in questions[20:]:
        began = perf_counter()
        index.search(question)
        spent.append((perf_counter() - began) * 1_000)
    p50, p95 = np.quantile(spent, (0.5, 0.95))
    return {
        "open_seconds": round(opened, 2),
        "open_resident_gib": at_open,
        "search_resident_gib": resident_gib(),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
    }


def recall(folder: Path) -> dict[str, Any]:
    """Compare the dense half with exact search over vectors encoded anew, for questions that the build did not see."""
    index = HybridIndex.open(folder, rerank="none")
    queries = index.encoder.encode_queries(questions_about(index))
    recorded = index.manifest["encoder"]
    options = BuildOptions(fields=tuple(recorded["fields"]), lead_words=recorded["lead_words"])
    best, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    products = iter(index.catalogue)
    start = 0
    while chunk := [passage(product, options) for product in islice(products, CHUNK)]:
        cosines = queries @ index.encoder.encode_passages(chunk).T
        best = np.hstack([best, cosines])
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + len(chunk)), cosines.shape)])
        kept = np.argsort(-best, axis=1, kind="stable")[:, :RECALL_AT]
        best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
        start += len(chunk)
    found = index._dense.search(queries, RECALL_AT)
    shared = [len({row for row, _ in hits} & set(exact)) / RECALL_AT for hits, exact in zip(found, rows, strict=True)]
    return {"held_out_recall@50": round(float(np.mean(shared)), 4)}


def questions_about(index: HybridIndex) -> list[str]:
    """Return half of the title words of products spread over the catalogue, as loosely as one remembers them."""
    rng = np.random.default_rng(1)
    questions = []
    for row in rng.permutation(len(index))[:QUESTIONS]:
        words = index.catalogue[int(row)].title.split()
        questions.append(" ".join(rng.permutation(words)[: max(2, len(words) // 2)]))
    return questions


def encoding(catalogue: Path, products: int) -> dict[str, Any]:
    """Time the default encoder beside sentence-transformers' own ``encode``, on the same texts, taking turns."""
    from sentence_transformers import SentenceTransformer

    ours, theirs = SentenceTransformerEncoder(DEFAULT_ENCODER), SentenceTransformer(str(resolve_model(BASE_ENCODER)))
    figures = {}
    some = list(islice(CatalogueReader([catalogue]), max(ENCODED.values())))
    for fields, count in ENCODED.items():
        texts = [passage(product, BuildOptions(fields=tuple(fields.split(",")))) for product in some[:count]]
        spent = dict.fromkeys(("product-qa", "sentence-transformers"), 0.0)
        ours.encode_passages(texts[:64])
        theirs.encode(texts[:64])
        for start in range(0, count, count // 2):
            part = texts[start : start + count // 2]
            for name, encode in (("sentence-transformers", theirs.encode), ("product-qa", ours.encode_passages)):
                began = perf_counter()
                encode(part)
                spent[name] += perf_counter() - began
        rate = count / spent["product-qa"]
        figures[fields] = {
            "texts": count,
            "texts_a_second": round(rate, 1),
            "times_sentence_transformers": round(spent["sentence-transformers"] / spent["product-qa"], 2),
            "extrapolated_minutes_for_all": round(products / rate / 60),
        }
    return figures


def peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def resident_gib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**30, 2)


def in_own_process(step: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(step, *arguments).result()


def kept(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what an earlier run measured, or measure it now."""
    if not path.is_file():
        figures = measure()
        print(f"{path.stem}: {figures}", file=sys.stderr)
        path.write_text(json.dumps(figures), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def first_rows(catalogue: Path, rows: int, folder: Path) -> Path:
    """Write the first rows of a catalogue to a file, once."""
    part = folder / f"rows-{rows}.json"
    if not part.is_file():
        with catalogue.open("rb") as whole, part.open("wb") as out:
            out.writelines(islice(whole, rows))
    return part


def growth(sizes: list[dict[str, Any]]) -> dict[str, float]:
    """Fit y = c · products^e for each figure, by least squares of the logarithms; returns the exponents."""
    products = np.log([size["products"] for size in sizes])
    return {name: round(float(np.polyfit(products, np.log([s[name] for s in sizes]), 1)[0]), 2) for name in FITTED}


def plot(sizes: list[dict[str, Any]], exponents: dict[str, float], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = {
        "seconds": ("build_seconds", "read_seconds", "lexical_seconds", "encode_seconds"),
        "GiB": ("build_peak_gib", "index_gib"),
        "milliseconds": ("p50_ms", "p95_ms"),
    }
    for axes, (unit, names) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name in names:
            label = name.rsplit("_", 1)[0].replace("_", " ")
            label += f", growth {exponents[name]}" if name in exponents else ""
            axes.loglog([s["products"] for s in sizes], [s[name] for s in sizes], marker="o", label=label)
        axes.set(xlabel="products", ylabel=unit)
        axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", type=Path, required=True, help="a plain file of at least as many rows")
    parser.add_argument("--sizes", type=int, nargs="+", required=True, help="rows, usable or not")
    parser.add_argument("--encoder", default=STATIC_ENCODER, help="of the builds (default: %(default)s)")
    parser.add_argument("--work", type=Path, required=True, help="folder for parts, indexes and what was measured")
    parser.add_argument("--name", required=True, help="name of the result file")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    sizes = []
    for rows in sorted(options.sizes):
        part, index = first_rows(options.catalogue, rows, options.work), options.work / f"index-{rows}"
        steps: dict[str, tuple[Any, ...]] = {
            "read": (read, part),
            "build": (build, part, index, options.encoder),
            "search": (search, index),
            "recall": (recall, index),
        }
        figures: dict[str, Any] = {"rows": rows}
        for name, step in steps.items():
            figures |= kept(options.work / f"{name}-{rows}.json", lambda step=step: in_own_process(*step))
        sizes.append(figures)
    part = first_rows(options.catalogue, min(options.sizes), options.work)
    most = sizes[-1]["products"]
    figures = {
        "encoder": options.encoder,
        "sizes": sizes,
        "growth_exponents": growth(sizes),
        "default_encoder": kept(options.work / "encoding.json", lambda: in_own_process(encoding, part, most)),
    }
    write_result(options.name, figures, [options.catalogue])
    plot(sizes, figures["growth_exponents"], RESULTS / f"{options.name}.png")


if __name__ == "__main__":
    main()
