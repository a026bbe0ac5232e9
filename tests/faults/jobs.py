"""Builds and updates in processes of their own, which can be killed, starved of disk or deprived of rights."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from retrieval import build, dense
from retrieval.build import BuildOptions, build_index
from retrieval.encoder import Vectors
from retrieval.errors import ProductQAError
from retrieval.index import HybridIndex
from retrieval.update import compact_index, update_index
from tests.fakes import KeywordEncoder

ROWS = 600
SHARD = 50
QUESTIONS = ("blue mug", "a small tent", "house for a cat", "green lamp", "red book")
NOBODY = 65_534
_WORDS = (
    "blue",
    "red",
    "green",
    "small",
    "large",
    "mug",
    "tent",
    "lamp",
    "cat",
    "book",
    "house",
    "box",
    "cord",
    "steel",
)
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"}


class SlowEncoder(KeywordEncoder):
    """Takes its time, so that there are moments to be killed at; tells how many texts it encoded."""

    def __init__(self, pause: float = 0.01) -> None:
        super().__init__(dimension=64)
        self.pause = pause
        self.encoded = 0

    def encode_queries(self, texts: Any) -> Vectors:
        return super().encode_passages(texts)

    def encode_passages(self, texts: Any) -> Vectors:
        time.sleep(self.pause)
        self.encoded += len(texts)
        return super().encode_passages(texts)


@dataclass(frozen=True)
class Job:
    """What a process does.

    Attributes:
        kind: build (where nothing is), rebuild (over an index), update, compact, search.
        folder: The index folder.
        catalogue: What a build reads, or what an update adds.
        remove: Uids that an update removes.
        scanned: Scan the vectors, as is done for many of them.
    """

    kind: str
    folder: Path
    catalogue: Path
    remove: tuple[str, ...] = ()
    scanned: bool = False

    def run(self, encoder: SlowEncoder, told: list[str] | None = None) -> HybridIndex:
        """Do it in this process."""
        tell = (told if told is not None else []).append
        with _scaled_down(self.scanned):
            if self.kind == "update":
                return update_index(self.folder, add=[self.catalogue], remove=self.remove, encoder=encoder, tell=tell)[
                    0
                ]
            if self.kind == "search":
                index = HybridIndex.open(self.folder, encoder=encoder, rerank="none", every_byte=True)
                index.search_batch(QUESTIONS)
                return index
            if self.kind == "compact":
                return compact_index(self.folder, encoder=encoder)
            options = BuildOptions(force=self.kind == "rebuild")
            return build_index([self.catalogue], self.folder, encoder=encoder, options=options, tell=tell)

    def at(self, folder: Path) -> Job:
        """Return the same job in another folder."""
        return replace(self, folder=folder)


@contextmanager
def _scaled_down(scanned: bool) -> Iterator[None]:
    shard, method = build._ENCODE_AT_ONCE, dense.DenseIndex.build
    build._ENCODE_AT_ONCE = SHARD
    if scanned:
        dense.DenseIndex.build = lambda parts, queries=None: method(parts, queries, exact_up_to=100)
    try:
        yield
    finally:
        build._ENCODE_AT_ONCE, dense.DenseIndex.build = shard, method


def rows(seed: int, count: int, first: int = 0) -> list[dict[str, str]]:
    """Make rows, some of them twins."""
    rng = random.Random(seed)
    made = []
    for number in range(first, first + count):
        texts = " ".join(rng.choices(_WORDS, k=3)), " ".join(rng.choices(_WORDS, k=rng.randint(5, 40)))
        title, content = texts if rng.random() > 0.05 or not made else (made[-1]["title"], made[-1]["content"])
        made.append({"uid": f"U{number}", "title": title, "content": content})
    return made


def write(path: Path, made: list[dict[str, str]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def answers(folder: Path) -> list[list[str]]:
    """Open an index, check every byte of it, and return what it finds."""
    index = HybridIndex.open(folder, encoder=KeywordEncoder(dimension=64), every_byte=True)
    return [[hit.product.uid for hit in hits] for hits in index.search_batch(QUESTIONS, 10)]


def files(folder: Path) -> dict[str, bytes]:
    """Return the files that must not depend on how an index came about, by name."""
    index = HybridIndex.open(folder)
    vectors = index.catalogue.folder.glob("*.faiss")
    return {path.name: path.read_bytes() for path in [*index.catalogue.files, *vectors]}


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        code: Its exit code, negative for a signal.
        error: The error that a user would be told, and its class.
        told: What it told meanwhile.
        encoded: How many texts it encoded.
        seconds: How long it took.
    """

    code: int
    error: tuple[str, str] | None = None
    told: tuple[str, ...] = ()
    encoded: int = 0
    seconds: float = 0.0


def _child(
    job: Job, pause: float, event: int | None, largest_file: int | None, as_nobody: bool, pipe: Connection
) -> None:
    if as_nobody:
        os.setuid(NOBODY)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    encoder, told, error = SlowEncoder(pause), [], None
    pipe.send("ready")
    if event is not None:
        _die_at(event, str(job.folder))
    start = time.monotonic()
    try:
        job.run(encoder, told)
    except ProductQAError as wrong:
        error = type(wrong).__name__, str(wrong)
    pipe.send((error, tuple(told), encoder.encoded, time.monotonic() - start))


def _die_at(event: int, folder: str) -> None:
    """Kill this process when it touches files of the folder for that many times."""
    seen = 0

    def count(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if name in _FILE_EVENTS and any(str(argument).startswith(folder) for argument in arguments[:2]):
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.jobs", "tests.faults.preload"])


class Process:
    """A job in a process of its own."""

    def __init__(
        self,
        job: Job,
        *,
        pause: float = 0.01,
        event: int | None = None,
        largest_file: int | None = None,
        as_nobody: bool = False,
    ) -> None:
        """Start it; it is ready to work when this returns."""
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_child, args=(job, pause, event, largest_file, as_nobody, theirs))
        self._process.start()
        theirs.close()
        self._pipe.recv()

    def kill(self) -> None:
        """Kill it as the kernel would."""
        self._process.kill()

    def wait(self) -> Outcome:
        """Wait for its end."""
        try:
            told = self._pipe.recv()
        except EOFError:
            told = ()
        self._process.join()
        return Outcome(int(self._process.exitcode or 0), *told)
