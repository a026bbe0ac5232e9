"""Kills builds and updates at random moments, and looks what is left."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import IndexIncomplete, IndexNotFound
from retrieval.storage import generations, read_manifest
from tests.faults.jobs import ROWS, SHARD, Job, Outcome, Process, answers, files, rows, write

KINDS = ("build", "rebuild", "update", "scanned build", "scanned update", "compact")
_EVENTS = 80


@dataclass(frozen=True)
class Case:
    """A job, what stands in the folder before it, and what it makes when nothing disturbs it.

    Attributes:
        name: One of ``KINDS``.
        job: The job.
        before: An index folder to begin with; None where there is none.
        old: What the index finds before the job; None where there is none.
        new: What it finds afterwards.
        files: The files that the job makes.
        unbroken: How it ends when nothing disturbs it.
    """

    name: str
    job: Job
    before: Path | None
    old: list[list[str]] | None
    new: list[list[str]]
    files: dict[str, bytes]
    unbroken: Outcome


@dataclass(frozen=True)
class Killed:
    """What was found after a kill, and after the job was run again.

    Attributes:
        case: Name of the case.
        moment: How far the job had come.
        outcome: What was in force: the old index, the new one, or none where there was none before.
        resumed: Whether the next run said that it goes on.
        encoded_again: Whether a shard that was finished was encoded again.
    """

    case: str
    moment: str
    outcome: str
    resumed: bool
    encoded_again: bool


def prepare(folder: Path, name: str) -> Case:
    """Make a case of one of ``KINDS`` in a folder of its own below this one."""
    folder = folder / name.replace(" ", "-")
    folder.mkdir()
    kind = name.removeprefix("scanned ")
    scanned = kind != name or kind == "compact"
    catalogue = write(folder / "catalogue.json", rows(1, ROWS))
    changes = write(folder / "changes.json", rows(2, 200, first=ROWS - 100))
    other = write(folder / "other.json", rows(3, 150))
    removed = tuple(f"U{number}" for number in range(0, 90, 3))
    index = folder / "index"
    before = folder / "before" if kind != "build" else None
    if before is not None:
        start = Job("build", index, other if kind == "rebuild" else catalogue, scanned=scanned)
        assert Process(start).wait().error is None
        if kind == "compact":
            assert Process(Job("update", index, changes, removed, scanned)).wait().error is None
        shutil.copytree(index, before)
    old = answers(before) if before is not None else None
    job = Job(kind, index, changes if kind == "update" else catalogue, removed, scanned)
    unbroken = Process(job).wait()
    assert (unbroken.code, unbroken.error) == (0, None)
    return Case(name, job, before, old, answers(index), files(index), unbroken)


def kill(case: Case, rng: random.Random) -> Killed:
    """Kill a job at a moment by the clock, or when it touches the folder for the n-th time; check what is left.

    Raises:
        AssertionError: Neither the old nor the new index is there whole, or the next run does not make the new one.
    """
    folder = case.job.folder
    shutil.rmtree(folder, ignore_errors=True)
    if case.before is not None:
        shutil.copytree(case.before, folder)
    if rng.random() < 0.5:
        Process(case.job, event=rng.randint(1, _EVENTS)).wait()
    else:
        process = Process(case.job)
        time.sleep(rng.uniform(0, 1.1 * case.unbroken.seconds))
        process.kill()
        process.wait()
    outcome = _in_force(case)
    moment, done = _moment(folder, outcome)
    again = Process(_repeated(case.job, outcome)).wait()
    assert (again.code, again.error) == (0, None), again
    assert answers(folder) == case.new
    assert files(folder) == case.files
    assert [entry.name for entry in generations(folder)] == [read_manifest(folder)["generation"]]
    resumed = any("Going on" in told for told in again.told)
    encoded_again = outcome != "new" and again.encoded > max(0, case.unbroken.encoded - done)
    return Killed(case.name, moment, outcome, resumed, encoded_again)


def _in_force(case: Case) -> str:
    try:
        found = answers(case.job.folder)
    except (IndexNotFound, IndexIncomplete):
        assert case.old is None
        return "none yet"
    assert found in (case.old, case.new)
    return "new" if found == case.new else "old"


def _moment(folder: Path, outcome: str) -> tuple[str, int]:
    """Return how far a job had come, and how many texts were encoded and kept."""
    if outcome == "new":
        return "in force", 0
    named = read_manifest(folder)["generation"] if outcome == "old" else None
    unfinished = (
        [generation for generation in generations(folder) if generation.name != named] if folder.exists() else []
    )
    if not unfinished or not (unfinished[0] / ".unfinished" / "purpose.json").exists():
        return "before it began", 0
    steps = {path.stem for path in (unfinished[0] / ".unfinished").glob("*.json")}
    shards = len(list((unfinished[0] / ".unfinished").glob("*/*.npy")))
    if (unfinished[0] / "vectors.faiss").exists():
        return "vectors written", shards * SHARD
    if shards:
        return "encoding", shards * SHARD
    return ("BM25 written" if "lexical" in steps else "products read" if "read" in steps else "reading"), 0


def _repeated(job: Job, outcome: str) -> Job:
    """Return what a user would run next: over an index that is there, a build needs force."""
    kind = "rebuild" if job.kind == "build" and outcome == "new" else job.kind
    return Job(kind, job.folder, job.catalogue, job.remove, job.scanned)
