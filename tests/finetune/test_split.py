from __future__ import annotations

import pytest

from finetune.split import check_no_leak, groups, is_held_out
from retrieval.errors import TrainingDataError
from retrieval.schema import Product

BLUE = Product("A2", "Harbour stoneware mug blue", "one")
RED = Product("A1", "Harbour stoneware mug red", "two")
TENT = Product("B1", "Ridge two person tent", "three", twins=("B2",))
TWIN = Product("B2", "Something else entirely", "four")


def test_lookalikes_and_twins_share_a_group_named_by_the_smallest_uid() -> None:
    assert groups([BLUE, TENT, RED, TWIN]) == ["A1", "B1", "A1", "B1"]


def test_the_held_out_share_is_about_what_was_asked_and_the_same_each_time() -> None:
    sides = [is_held_out(f"group {number}", 0.2, seed=1) for number in range(2_000)]
    assert sides == [is_held_out(f"group {number}", 0.2, seed=1) for number in range(2_000)]
    assert 0.17 < sum(sides) / len(sides) < 0.23
    assert sides != [is_held_out(f"group {number}", 0.2, seed=2) for number in range(2_000)]


@pytest.mark.parametrize(("train", "held_out"), [(BLUE, RED), (TENT, TWIN), (TENT, TENT)])
def test_a_leak_is_refused(train: Product, held_out: Product) -> None:
    with pytest.raises(TrainingDataError, match="share a product or lookalike"):
        check_no_leak([train], [held_out])


def test_lookalikes_on_one_side_are_no_leak() -> None:
    check_no_leak([BLUE, RED], [TENT, TWIN])
