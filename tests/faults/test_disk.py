"""What is told when the disk is full or read-only, when bytes change, and when two build at once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults import disk
from tests.faults.kills import Case

Made = Callable[[str], Case]


@pytest.mark.parametrize("largest_file", [200, 6_000, 30_000])
def test_a_file_that_cannot_be_written_is_told_and_the_old_index_stays(case: Made, largest_file: int) -> None:
    assert disk.fill_file(case("update"), largest_file)


@pytest.mark.parametrize("size", [20_000, 80_000])
@pytest.mark.parametrize("kind", ["build", "scanned update"])
def test_a_full_disk_is_told_and_the_same_command_goes_on(case: Made, kind: str, size: int) -> None:
    if not disk.small_disks_can_be_had():
        pytest.skip("only who may mount file systems can fill a disk")
    assert disk.fill_disk(case(kind), size)


def test_a_folder_that_may_only_be_read_is_searched_and_not_updated(case: Made) -> None:
    assert "Cannot write to " in disk.deny(case("update"))


@pytest.mark.parametrize("kind", ["build", "scanned update"])
def test_a_changed_byte_in_any_file_is_told(case: Made, kind: str) -> None:
    told = disk.flip(case(kind).job.folder, random.Random(kind), 2)
    assert told["IndexDamaged"] >= 20


@pytest.mark.parametrize("kind", ["build", "update"])
def test_of_two_builders_the_second_is_told_of_the_first(case: Made, kind: str) -> None:
    assert "Another process is building" in disk.two_builders(case(kind))
