from __future__ import annotations

import pytest

from qa.evaluation.conditions import harder, without_words
from retrieval.question_file import Question

SAID = "how heavy is the waterproof ridge tent for two"


@pytest.mark.parametrize(("share", "left"), [(0.0, 9), (0.25, 7), (0.5, 5), (1.0, 1)])
def test_a_share_of_the_words_goes_but_for_the_longest(share: float, left: int) -> None:
    kept = without_words(SAID, share, 0).split()
    assert len(kept) == left
    assert "waterproof" in kept
    assert kept == [word for word in SAID.split() if word in kept]


def test_which_words_go_depends_on_the_seed_alone_and_more_go_with_a_larger_share() -> None:
    quarter, half = (set(without_words(SAID, share, 7).split()) for share in (0.25, 0.5))
    assert half < quarter
    assert without_words(SAID, 0.5, 7) == without_words(SAID, 0.5, 7)
    assert len({without_words(SAID, 0.5, seed) for seed in range(8)}) > 1


def test_the_usual_number_of_products_is_not_asked_for_again() -> None:
    assert [each.name for each in harder(4, 0)] == ["k=1", "k=2", "k=8", "words-0.25", "words-0.5"]
    assert [each.k for each in harder(3, 0)] == [1, 2, 4, 8, None, None]
    asked = Question(SAID, "absent")
    assert [len(each.change(asked).question.split()) for each in harder(4, 0)] == [9, 9, 9, 7, 5]
