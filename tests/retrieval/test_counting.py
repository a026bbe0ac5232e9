"""Questions for a count, and what tells it."""

from __future__ import annotations

import pytest

from retrieval.counting import counted, tells_count


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("How many tricks come with the magic trunk?", "trick"),
        ("the toolbox, how many of the drawers lock?", "drawer"),
        ("how many different T-shirts", "t"),
        ("bead box, how many 8mm", None),
        ("how many", None),
        ("how much does it weigh?", None),
        ("it shows how manyfold it is", None),
    ],
)
def test_the_thing_that_is_counted(question: str, thing: str | None) -> None:
    assert counted(question) == thing


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("holds props for seventy-five tricks", True),
        ("The Magic Trunk, 75 Tricks", True),
        ("1,200 easy card tricks", True),
        ("Two dozen tricks", True),
        ("75-trick set", True),
        ("75-piece tricks", True),
        ("a 12 pack of tricks", True),
        ("three-hat tricks", False),
        ("The tricks are ranked with one to three top hats.", False),
        ("two hats; tricks", False),
        ("a stone tricks", False),
        ("three more hats than card tricks", False),
    ],
)
def test_a_number_before_the_thing(text: str, tells: bool) -> None:
    assert tells_count(text, "trick") is tells
