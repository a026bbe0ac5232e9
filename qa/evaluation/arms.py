"""The arms: ways to answer that are compared with each other.

A language model decodes in the same way with and without an adapter, without chance: shown products, it can only quote
them (``qa.generators.quoting``), and the pipeline checks what it says; asked alone it writes freely, greedily and
unchecked, as there is nothing to quote.

The arms ``…+free`` show it what the search found and take it at its word: it decodes greedily, is not held to quotes,
and no decision is made before it, so that it must decline by itself. They tell what tuning does to the model, apart
from all that tuned and untuned have in common. In the arms ``…+decided`` it is asked only where the pipeline decided
that there is something to say: they tell what tuning does to the answers of a model that need not decline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qa.answers import Answer, Citation, Status
from qa.citations import supported
from qa.generators.base import Completion, Prompt
from retrieval.prompt import NO_PRODUCT, NOT_SAID, bare_end, read_completion
from retrieval.question_file import FINDABLE, Question
from retrieval.schema import Hit

if TYPE_CHECKING:
    from qa.engine import ProductQA
    from qa.judging import Asked

Reader = Literal["extractive", "untuned", "tuned"]
"""Which pipeline an arm runs on: without a language model, with the base model, with the adapter."""
COPIED_WORDS = 40
_DECLINES: dict[str, Status] = {
    bare_end(NOT_SAID).casefold(): "not_in_description",
    bare_end(NO_PRODUCT).casefold(): "no_match",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to answer.

    Attributes:
        name: How it is called.
        about: What it does, in a few words.
        reader: The pipeline it runs on.
        ask: Answers questions, in their order.
        searches: Whether it searches, so that its hits can be scored.
        confident: Whether its confidence says something.
        by_default: Whether it is compared where none are named.
        fits: Tells whether a question can be put to it.
    """

    name: str
    about: str
    reader: Reader
    ask: Callable[[ProductQA, Sequence[Question]], list[Answer]]
    searches: bool = True
    confident: bool = True
    by_default: bool = True
    fits: Callable[[Question], bool] = lambda _: True


def with_retrieval(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Search, then answer."""
    return pipeline.answer_batch([question.question for question in questions])


def with_retrieval_freely(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Search, then take the language model at its word."""
    return _freely(pipeline, pipeline.look([question.question for question in questions]))


def decided_then_freely(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Search, decide, and only where there is something to say take the language model at its word."""
    looked = pipeline.look([question.question for question in questions])
    said = iter(_freely(pipeline, [asked for asked in looked if asked.is_answerable]))
    others = iter(pipeline.conclude([asked for asked in looked if not asked.is_answerable]))
    return [next(said if asked.is_answerable else others) for asked in looked]


def without_retrieval(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Ask the language model alone."""
    return pipeline.answer_batch([question.question for question in questions], retrieval=False)


def with_gold_context(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Answer from the right product, as on its page."""
    return [pipeline.answer_batch([q.question], product=q.uids[0])[0] for q in questions]


def copy_top_hit(pipeline: ProductQA, questions: Sequence[Question]) -> list[Answer]:
    """Copy the title and the first 40 words of the first hit: the least that a reader must surpass."""
    looked = pipeline.look([question.question for question in questions])
    return [_copied(asked.hits, round(asked.milliseconds["search"], 1)) for asked in looked]


def has_right_product(question: Question) -> bool:
    """Tell whether a question has one right product, which can be given as gold context."""
    return question.kind in FINDABLE


def _freely(pipeline: ProductQA, looked: Sequence[Asked]) -> list[Answer]:
    shown = list(map(pipeline.prompt, looked))
    completions, spent = pipeline.complete([Prompt(each.prompt.messages) for each in shown if each.prompt])
    said = iter(completions)  # none where a product alone fills a prompt
    return [_taken_at_its_word(each, next(said) if each.prompt else Completion(""), spent) for each in shown]


def _taken_at_its_word(asked: Asked, said: Completion, spent: float) -> Answer:
    """Return what a model said, unchecked. Of its words those are cited that can be traced to the product it names.

    ``[2]: words`` says that it is product 2; a shopper, who sees no numbers, is told the product's title there.
    """
    reading, shown = read_completion(said.text), asked.context.shown
    begun = reading.said.casefold()
    status: Status = next((status for words, status in _DECLINES.items() if begun.startswith(words)), "answered")
    number = reading.number or 0
    product = shown[number - 1].product if 1 <= number <= len(shown) and status != "no_match" else None
    traced = supported(reading.said, (product,)) if product and status == "answered" else ()
    timings = asked.milliseconds | {"generate": spent, "total": sum(asked.milliseconds.values()) + spent}
    return Answer(
        f"{product.title}: {reading.said}" if product and reading.identifies else reading.said,
        status,
        product,
        citations=tuple(dict.fromkeys(citation for _, citation in traced)),
        hits=asked.hits,
        timings={step: round(each, 1) for step, each in timings.items()},
        tokens=said.tokens,
    )


def _copied(hits: Sequence[Hit], spent: float) -> Answer:
    timings = {"search": spent, "total": spent}
    if not hits:
        return Answer("", "no_match", timings=timings)
    product = hits[0].product
    start = " ".join(product.content.split()[:COPIED_WORDS])
    citations = (Citation.of(product, start),)
    return Answer(
        f"{product.title}: {start}", "answered", product, citations=citations, hits=tuple(hits), timings=timings
    )


def _of_reader(reader: Reader, model: str) -> list[Arm]:
    return [
        Arm(
            reader,
            f"{model}, asked alone: free words, unchecked",
            reader,
            without_retrieval,
            searches=False,
            confident=False,
        ),
        Arm(
            f"{reader}+free",
            f"{model}, shown what the search found: free words, unchecked",
            reader,
            with_retrieval_freely,
            confident=False,
            by_default=False,  # they add more than a third to what a run takes, as do the next
        ),
        Arm(
            f"{reader}+decided",
            f"{model}, shown what the search found where that tells what is asked: free words, unchecked",
            reader,
            decided_then_freely,
            confident=False,
            by_default=False,
        ),
        Arm(f"{reader}+retrieval", f"{model}, quoting what the search found", reader, with_retrieval),
        Arm(
            f"{reader}+gold",
            f"{model}, quoting the right product",
            reader,
            with_gold_context,
            searches=False,
            fits=has_right_product,
        ),
    ]


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        *_of_reader("tuned", "the language model with the adapter"),
        *_of_reader("untuned", "the language model without an adapter"),
        Arm(
            "copy",
            f"title and first {COPIED_WORDS} words of the first hit",
            "extractive",
            copy_top_hit,
            confident=False,
        ),
        Arm("extractive", "what the evidence ranker puts first; no language model", "extractive", with_retrieval),
    )
}
"""The arms by name. A run takes any mapping like this one, so that others can be set beside them."""
DEFAULT_ARMS = tuple(name for name, arm in ARMS.items() if arm.by_default)
"""The arms that are compared where none are named."""
