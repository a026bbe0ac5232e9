"""``python -m retrieval``: build, search, update, inspect and verify indexes."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval import console
from retrieval.errors import CatalogueError

if TYPE_CHECKING:
    from retrieval.rejects import Reject
    from retrieval.schema import Hit


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m retrieval", description="Build and search hybrid product indexes.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="build an index from catalogue files")
    build.add_argument("catalogues", nargs="+", type=Path, metavar="CATALOG", help="JSON lines, plain or gzip")
    build.add_argument("--out", type=Path, required=True, metavar="INDEX", help="index folder, such as indexes/mine")
    build.add_argument(
        "--encoder", metavar="MODEL", help="static, or hub id or folder of a sentence-transformers model"
    )
    build.add_argument("--fields", default="title,content", help="what is encoded: title,content (default) or title")
    build.add_argument("--lead-words", type=int, default=60, help="words of the content that are encoded (default 60)")
    build.add_argument("--lexical", default="tantivy", help="tantivy (default) or rank-bm25, slow and exact")
    build.add_argument("--limit", type=int, help="index a uniform sample of that many rows")
    build.add_argument("--seed", type=int, default=0, help="seed of the sample (default 0)")
    build.add_argument("--max-errors", type=int, default=1_000, help="malformed lines to tolerate (default 1000)")
    build.add_argument("--force", action="store_true", help="replace an index that is there")
    build.add_argument("--json", action="store_true", help="print the manifest as JSON")
    build.set_defaults(run=_build)

    update = commands.add_parser("update", help="add, change and remove products of an index")
    update.add_argument("index", type=Path, metavar="INDEX")
    update.add_argument("--add", nargs="+", type=Path, default=[], metavar="FILE", help="rows to add or change")
    update.add_argument(
        "--remove", nargs="+", default=[], metavar="UID", help="uids to remove; @FILE, or - for stdin, has one a line"
    )
    update.add_argument("--max-errors", type=int, default=1_000, help="malformed lines to tolerate (default 1000)")
    update.add_argument("--json", action="store_true", help="print what was done as JSON")
    update.set_defaults(run=_update)

    compact = commands.add_parser("compact", help="write an index anew without the rows that updates removed")
    compact.add_argument("index", type=Path, metavar="INDEX")
    compact.add_argument("--json", action="store_true", help="print as JSON")
    compact.set_defaults(run=_compact)

    search = commands.add_parser("search", help="find the products a question is about")
    search.add_argument("index", type=Path, metavar="INDEX")
    search.add_argument("question", nargs="?")
    search.add_argument("--batch", metavar="FILE", help="a file of questions, or - for standard input")
    search.add_argument("-k", type=int, default=4, help="products a question (default 4)")
    console.add_rerank(search)
    search.add_argument("--json", action="store_true", help="one JSON object a question")
    search.set_defaults(run=_search)

    inspect = commands.add_parser("inspect", help="describe a catalogue file, or an index folder")
    inspect.add_argument("paths", nargs="+", type=Path, metavar="CATALOG|INDEX")
    inspect.add_argument("--max-errors", type=int, default=1_000, help="malformed lines to tolerate (default 1000)")
    inspect.add_argument("--json", action="store_true", help="print as JSON")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser("verify", help="hash every file of an index and compare its parts")
    verify.add_argument("index", type=Path, metavar="INDEX")
    verify.add_argument("--json", action="store_true", help="print as JSON")
    verify.set_defaults(run=_verify)
    return console.run(parser, arguments)


def _build(options: argparse.Namespace) -> None:
    from retrieval.build import REJECTS_FILE, BuildOptions, build_index
    from retrieval.encoder import SentenceTransformerEncoder
    from retrieval.reader import CatalogueReader

    _check_names(options.catalogues)
    CatalogueReader(options.catalogues)  # a wrong path is told before a model is loaded
    build_options = BuildOptions(
        fields=tuple(options.fields.split(",")),
        lead_words=options.lead_words,
        lexical=options.lexical,
        limit=options.limit,
        seed=options.seed,
        max_errors=options.max_errors,
        force=options.force,
    )
    encoder = SentenceTransformerEncoder(options.encoder) if options.encoder else None
    with console.progress_bars() as progress:
        index = build_index(
            options.catalogues,
            options.out,
            encoder=encoder,
            options=build_options,
            on_reject=_tell,
            progress=progress,
            tell=_tell,
        )
    if options.json:
        console.print_json(index.manifest)
        return
    counts = index.manifest["counts"]
    for name, count in _flat(counts).items():
        print(f"{name:>22} {count:>10,}")
    if counts["rejected"] or counts["conflicting_uids"]:
        print(f"Lines that were not used: {options.out / REJECTS_FILE}", file=sys.stderr)
    dense = index.manifest["dense"]
    print(f"Vectors: {dense['method']}, recall@50 against exact search {dense['recall@50']}.")
    print(f"{len(index):,} products in {options.out}")


def _check_names(paths: list[Path]) -> None:
    """Refuse a name that neither the manifest nor the log of rejects can hold."""
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise CatalogueError(f"The name of {str(path)!r} is not UTF-8; rename the file.") from error


def _tell(told: Reject | str) -> None:
    print(told, file=sys.stderr)


def _update(options: argparse.Namespace) -> None:
    from retrieval.build import REJECTS_FILE
    from retrieval.update import COMPACT_FROM, update_index

    _check_names(options.add)
    uids = [uid for each in options.remove for uid in console.values_of(each)]
    with console.progress_bars() as progress:
        index, done = update_index(
            options.index,
            add=options.add,
            remove=uids,
            max_errors=options.max_errors,
            on_reject=_tell,
            progress=progress,
            tell=_tell,
        )
    if options.json:
        console.print_json(done)
    else:
        for name, count in _flat(done).items():
            print(f"{name:>34} {count:>10,}")
        print(f"{len(index):,} products in {options.index}")
    if done["read"]["rejected"] or done["read"]["conflicting_uids"]:
        print(f"Lines that were not used: {options.index / REJECTS_FILE}", file=sys.stderr)
    share = float(index.catalogue.removed.mean())
    if share >= COMPACT_FROM:
        print(
            f"{share:.0%} of the rows are removed ones; it is time for: python -m retrieval compact {options.index}",
            file=sys.stderr,
        )


def _compact(options: argparse.Namespace) -> None:
    from retrieval.update import compact_index

    with console.progress_bars() as progress:
        index = compact_index(options.index, progress=progress)
    if options.json:
        console.print_json({"index": str(options.index), "products": len(index)})
    else:
        print(f"{len(index):,} products in {options.index}, no removed rows.")


def _search(options: argparse.Namespace) -> None:
    from retrieval.index import HybridIndex

    questions = console.questions_of(options)
    index = HybridIndex.open(options.index, rerank=options.rerank)
    for question, hits in zip(questions, index.search_batch(questions, options.k), strict=True):
        if options.json:
            console.print_json({"question": question, "hits": [asdict(hit) for hit in hits]})
        else:
            _show(question, hits)


def _show(question: str, hits: list[Hit]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = Text(question, style="table.title")
    table = Table("", "uid", "title", "cosine", "BM25", title=title, title_justify="left")
    for hit in hits:
        signals = [f"{value:.2f}" if value is not None else "–" for value in (hit.cosine, hit.bm25)]
        table.add_row(*map(Text, (str(hit.rank), hit.product.uid, hit.product.title, *signals)))
    Console().print(table)


def _inspect(options: argparse.Namespace) -> None:
    from retrieval.inspection import inspect_catalogue
    from retrieval.storage import read_manifest

    if len(options.paths) == 1 and options.paths[0].is_dir():
        facts = read_manifest(options.paths[0])
    else:
        facts = inspect_catalogue(options.paths, max_errors=options.max_errors, on_reject=_tell)
    if options.json:
        console.print_json(facts)
        return
    for name, value in _flat(facts).items():
        print(f"{name:>34}  {f'{value:,}' if isinstance(value, int | float) else value}")


def _verify(options: argparse.Namespace) -> None:
    from retrieval.index import HybridIndex

    index = HybridIndex.open(options.index, every_byte=True)
    if options.json:
        console.print_json({"index": str(options.index), "products": len(index), "whole": True})
    else:
        print(f"{options.index} is whole: {len(index):,} products, {len(index.manifest['files'])} files as recorded.")


def _flat(facts: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}: ")
        else:
            flat[prefix + name] = value
    return flat
