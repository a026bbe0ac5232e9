"""A disk that is full or read-only, bytes that change, and two builders at once."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import IndexStoreError
from tests.faults.jobs import Job, Process, answers, files
from tests.faults.kills import Case


def fill_file(case: Case, largest_file: int) -> str:
    """Run a job that can write no file longer than this; return the error it told, or an empty string."""
    _begin(case)
    ended = Process(case.job, largest_file=largest_file).wait()
    return _after_failure(case, ended.code, ended.error)


def fill_disk(case: Case, size: int) -> str:
    """Run a job on a disk of so many bytes beside what is there; return the error it told, or an empty string."""
    _begin(case)
    folder = case.job.folder
    used = sum(path.stat().st_size + 8_192 for path in folder.rglob("*")) if folder.exists() else 0
    with _small_disk(used + size) as disk:
        there = case.job.at(disk / "index")
        if folder.exists():
            shutil.copytree(folder, there.folder)
        ended = Process(there).wait()
        shutil.rmtree(folder, ignore_errors=True)
        if there.folder.exists():
            shutil.copytree(there.folder, folder)
    return _after_failure(case, ended.code, ended.error)


def _after_failure(case: Case, code: int, error: tuple[str, str] | None) -> str:
    assert code == 0
    if error is None:
        assert answers(case.job.folder) == case.new
        return ""
    assert error[0] == "IndexStoreError", error
    if case.old is not None:
        assert answers(case.job.folder) == case.old
    again = Process(case.job).wait()
    assert (again.code, again.error) == (0, None), again
    assert files(case.job.folder) == case.files
    return error[1]


def deny(case: Case) -> str:
    """Run a job as a user who may read the folder but not write to it; return the error it told."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        here = Path(name)
        job = case.job.at(here / "index")
        shutil.copytree(case.before or case.job.folder, job.folder)
        catalogue = Path(shutil.copy(case.job.catalogue, here / "catalogue.json"))
        for path in (here, *here.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        denied = Job(job.kind, job.folder, catalogue, job.remove, job.scanned)
        ended = Process(denied, as_nobody=os.getuid() == 0).wait()
        read = Process(Job("search", job.folder, catalogue), as_nobody=os.getuid() == 0).wait()
        for path in (here, *here.rglob("*")):
            path.chmod(0o755)
    assert (read.code, read.error) == (0, None), read
    assert ended.error is not None
    assert ended.error[0] == "IndexStoreError", ended
    return ended.error[1]


def flip(folder: Path, rng: random.Random, each: int) -> Counter[str]:
    """Change one bit of each file of an index, at so many places, its date kept; return the errors by their class."""
    told: Counter[str] = Counter()
    good = answers(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"):
        whole, state = path.read_bytes(), path.stat()
        for place in sorted(rng.sample(range(len(whole)), min(each, len(whole)))):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
            try:
                answers(folder)
            except IndexStoreError as error:
                told[type(error).__name__] += 1
            else:
                raise AssertionError(f"{path}: byte {place} changed, and nothing was told")
        path.write_bytes(whole)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert answers(folder) == good
    return told


def two_builders(case: Case) -> str:
    """Run a job twice at the same time; return the error of the one that came second."""
    _begin(case)
    both = [Process(case.job, pause=0.5), Process(case.job, pause=0.5)]
    ended = [process.wait() for process in both]
    (error,) = [each.error for each in ended if each.error is not None]
    assert error[0] == "IndexLocked", error
    assert answers(case.job.folder) == case.new
    assert files(case.job.folder) == case.files
    return error[1]


def small_disks_can_be_had() -> bool:
    """Whether this process may mount file systems."""
    try:
        with _small_disk(1 << 20):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _begin(case: Case) -> None:
    shutil.rmtree(case.job.folder, ignore_errors=True)
    if case.before is not None:
        shutil.copytree(case.before, case.job.folder)


@contextmanager
def _small_disk(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", name]
        subprocess.run(mount, check=True, capture_output=True)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)
