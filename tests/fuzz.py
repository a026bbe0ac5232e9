"""Feed the parsers with damaged input: nothing but clean errors may come out.

    python -m tests.fuzz --minutes 10 --seed 0

Catalogues (plain and gzip), question files, batches of questions, lists of uids, manifests and questions are mutated,
mostly from the sample: bits, bytes, slices and whole lines, and pieces that parsers stumble over. An error that is not
the parser's own is printed with its input and ends the program.
"""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from retrieval import console
from retrieval.errors import CatalogueError, IndexStoreError, QuestionError, UsageError
from retrieval.generation import build_into
from retrieval.query import parse_question
from retrieval.question_file import read_questions
from retrieval.reader import CatalogueReader
from retrieval.storage import MANIFEST, check_files, read_manifest

SAMPLE = Path(__file__).resolve().parent.parent / "indexes" / "sample"
_PIECES = [
    *(b"\x00", b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80"),
    *(b"&#0;", b"&#x110000;", b"&amp;amp;", b"<", b"<!--", b"]]>", b"\r", b"\n", b"\x1f\x8b", b"'" * 50),
    *(b'"', b"{", b"}", b"[" * 60_000, b"9" * 5_000, b"null", b"1e999", b"-0"),
    *(b'"uid": 7,', b'"uid": null,', b'"title": [],', b'"files": {}', b'"uids": 7', b'"format_version": 3,'),
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return data with one to six changes."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + int(rng.expovariate(1 / 20)))
        change = rng.randrange(6)
        if change == 0 and at < len(made):
            made[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            made[at:at] = rng.choice(_PIECES)
        elif change == 2:
            del made[at:end]
        elif change == 3:
            made[at:at] = made[at:end] * rng.randint(1, 4)
        elif change == 4:
            made[at:end] = rng.randbytes(rng.randrange(8))
        else:
            made = made[:at] if rng.random() < 0.3 else made
    return bytes(made)


def read_catalogue(path: Path) -> None:
    """Read a catalogue, whose counts must add up."""
    reader = CatalogueReader([path], max_errors=5)
    with suppress(CatalogueError):
        assert sum(1 for _ in reader) == reader.report.usable
        counted = reader.report
        parts = counted.usable + counted.dropped.total() + counted.rejected + counted.repeated_uids + counted.twins
        assert counted.rows == parts


def read_batch(path: Path) -> None:
    """Read a batch of questions as the command line does, and each of them."""
    with suppress(UsageError):
        for question in console.questions_of(argparse.Namespace(question=None, batch=str(path))):
            with suppress(QuestionError):
                parse_question(question)


def read_uids(path: Path) -> None:
    """Read a list of uids as the command line does."""
    with suppress(UsageError):
        console.values_of(f"@{path}")


def read_question_file(path: Path) -> None:
    """Read a question file."""
    with suppress(UsageError):
        read_questions(path)


def open_manifest(path: Path) -> None:
    """Read a manifest, and check the files it names."""
    folder = path.parent / "index"
    shutil.copy(path, folder / MANIFEST)
    with suppress(IndexStoreError):
        check_files(folder, read_manifest(folder), every_byte=True)


def _seeds(folder: Path) -> list[tuple[str, list[bytes], Callable[[Path], None]]]:
    (folder / "index").mkdir()
    with build_into(folder / "index") as generation:
        (generation.folder / "products").write_text("one")
        generation.commit({"counts": {"usable": 1}})
    manifest = (folder / "index" / MANIFEST).read_bytes()
    rows = (SAMPLE / "trn.json").read_bytes().splitlines(keepends=True)
    blocks = [b"".join(rows[start : start + 4]) for start in range(0, len(rows), 4)]
    questions = (SAMPLE / "questions.jsonl").read_bytes().splitlines(keepends=True)
    batch = (SAMPLE / "demo.txt").read_bytes()
    return [
        ("catalogue", blocks, read_catalogue),
        ("gzip catalogue", [gzip.compress(block) for block in blocks[:20]], read_catalogue),
        ("question file", questions, read_question_file),
        ("batch of questions", [batch, *questions], read_batch),
        ("uids", [b"U1\nU2\n"], read_uids),
        ("manifest", [manifest], open_manifest),
    ]


def fuzz(seconds: float, seed: int) -> Counter[str]:
    """Feed the parsers for some time; return how many inputs each got."""
    rng = random.Random(seed)
    fed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        path = Path(name) / "input"
        targets = _seeds(Path(name))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kind, seeds, parse = targets[fed.total() % len(targets)]
            data = mutated(rng.choice(seeds), rng)
            path.write_bytes(data)
            try:
                parse(path)
            except Exception:
                print(f"{kind}, input {fed.total()}: {data!r}", file=sys.stderr)
                raise
            fed[kind] += 1
    return fed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fed = fuzz(60 * options.minutes, options.seed)
    for kind, count in fed.items():
        print(f"{kind:>20} {count:>10,}")
    print(f"{fed.total():,} inputs, nothing but clean errors")


if __name__ == "__main__":
    main()
