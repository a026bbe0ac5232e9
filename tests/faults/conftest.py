from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.faults.kills import Case, prepare


@pytest.fixture(scope="session")
def case() -> Iterator[Callable[[str], Case]]:
    """Returns a function that gives the case of a kind, made when it is first asked for."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield cache(lambda kind: prepare(Path(folder), kind))
