"""Arms that take a language model at its word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from qa.evaluation.arms import ARMS
from qa.generators.base import Completion, Prompt
from retrieval.build import build_index
from retrieval.index import HybridIndex
from retrieval.question_file import Question
from tests.conftest import WriteCatalogue
from tests.fakes import KeywordEncoder, ScriptedGenerator, pipeline_over

WEIGHT = Question("how heavy is the ridge tent, what does it weigh?", "fact", ("TENT1",))
ABSENT = Question("electric motorbike", "absent")
FREE = ARMS["tuned+free"]


class Listening(ScriptedGenerator):
    """Remembers whole prompts, and how much room there was for the answers."""

    def __init__(self, says: str | None = None) -> None:
        super().__init__(says)
        self.heard: list[Prompt] = []
        self.room: set[int] = set()

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        self.heard += prompts
        self.room.add(max_new_tokens)
        return super().generate(prompts, max_new_tokens)


def test_the_prompt_is_that_of_retrieval_but_not_held_to_quotes(index: HybridIndex) -> None:
    quoting, free = Listening(), Listening("[1] 2.4 kg")
    ARMS["tuned+retrieval"].ask(pipeline_over(index, quoting), [WEIGHT])
    FREE.ask(pipeline_over(index, free), [WEIGHT])
    assert [prompt.messages for prompt in free.heard] == [prompt.messages for prompt in quoting.heard]
    assert all(prompt.context for prompt in quoting.heard)
    assert not any(prompt.context for prompt in free.heard)
    assert free.room == {48}


@pytest.mark.parametrize(
    ("says", "text", "status", "product", "quotes"),
    [
        ("[1] Weighs 2.4 kg", "Weighs 2.4 kg", "answered", "TENT1", ["Weighs 2.4 kg."]),
        ("[1]: Weighs 9.9 kg.", "Ridge Two Tent: Weighs 9.9 kg.", "answered", "TENT1", []),
        ("[9] Weighs 2.4 kg.", "Weighs 2.4 kg.", "answered", None, []),
        ("[9]: Weighs 2.4 kg.", "Weighs 2.4 kg.", "answered", None, []),
        ("[0] Weighs 2.4 kg.", "Weighs 2.4 kg.", "answered", None, []),
        ("It weighs 2.4 kg.", "It weighs 2.4 kg.", "answered", None, []),
        ("[1] Not in the description.", "Not in the description.", "not_in_description", "TENT1", []),
        ("not in the description", "not in the description", "not_in_description", None, []),
        ("No matching product.", "No matching product.", "no_match", None, []),
        ("[1] No matching product.", "No matching product.", "no_match", None, []),
        ("", "", "answered", None, []),
    ],
)
def test_words_are_kept_as_they_are_and_only_traced_ones_are_cited(
    index: HybridIndex, says: str, text: str, status: str, product: str | None, quotes: list[str]
) -> None:
    (answer,) = FREE.ask(pipeline_over(index, ScriptedGenerator(says)), [WEIGHT])
    assert (answer.text, answer.status) == (text, status)
    assert (answer.product.uid if answer.product else None) == product
    assert [citation.quote for citation in answer.citations] == quotes
    assert answer.hits[0].product.uid == "TENT1"
    assert set(answer.timings) == {"search", "context", "generate", "total"}
    assert answer.tokens["completion"] == len(says.split())


def test_the_model_declines_by_itself_or_not_at_all(index: HybridIndex) -> None:
    pipeline = pipeline_over(index, ScriptedGenerator("[1] 2.4 kg"))
    (decided,) = ARMS["tuned+retrieval"].ask(pipeline, [ABSENT])
    (free,) = FREE.ask(pipeline, [ABSENT])
    assert (decided.status, free.status) == ("no_match", "answered")
    assert free.tokens["prompt"] > 0


def test_nothing_is_said_of_a_product_that_fills_the_prompt(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    rows = [
        {"uid": "LONG", "title": f"Gizmo {'very long title ' * 400}", "content": "It has a gizmo number."},
        {"uid": "TENT1", "title": "Ridge Two Tent", "content": "Weighs 2.4 kg."},
    ]
    index = build_index([write_catalogue(rows)], tmp_path / "long", encoder=KeywordEncoder())
    gizmo = Question("what gizmo number is it", "fact", ("LONG",))
    for arm in ("tuned+free", "tuned+decided"):
        nothing, weight = ARMS[arm].ask(pipeline_over(index, ScriptedGenerator("[1] 2.4 kg")), [gizmo, WEIGHT])
        assert (nothing.text, nothing.citations) == ("", ())
        assert (weight.text, weight.product.uid) == ("2.4 kg", "TENT1")


def test_behind_the_decision_the_model_is_asked_only_where_there_is_something_to_say(index: HybridIndex) -> None:
    model = Listening("[1] 9.9 kg")
    answers = ARMS["tuned+decided"].ask(pipeline_over(index, model), [ABSENT, WEIGHT, ABSENT])
    assert [answer.status for answer in answers] == ["no_match", "answered", "no_match"]
    assert answers[1].text == "9.9 kg"
    assert [bool(prompt.context) for prompt in model.heard] == [False]
