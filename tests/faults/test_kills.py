"""The short form of ``python -m tests.faults``: one kill of each kind."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.kills import KINDS, Case, kill


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_kill_there_is_an_old_or_a_new_index_and_the_next_run_goes_on(
    case: Callable[[str], Case], kind: str
) -> None:
    assert not kill(case(kind), random.Random(kind)).encoded_again
