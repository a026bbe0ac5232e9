from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qa.citations import is_quote
from qa.generators.base import Completion, Prompt
from qa.generators.transformers_lm import TransformersGenerator
from retrieval.context import Shown
from retrieval.errors import GenerationError
from retrieval.index import HybridIndex
from retrieval.prompt import build_messages, read_completion
from retrieval.schema import Product
from tests.fakes import pipeline_over

pytestmark = pytest.mark.models
PROMPTS = [
    Prompt(({"role": "user", "content": text},)) for text in ("a mug", "how heavy is the tent that sleeps two?", "cat")
]


def test_a_batch_says_what_single_prompts_say(tiny_llama: Path) -> None:
    generator = TransformersGenerator(str(tiny_llama))
    together = generator.generate(PROMPTS, 12)
    assert together == [generator.generate([prompt], 12)[0] for prompt in PROMPTS]
    assert all(completion.text for completion in together)
    assert generator.generate([], 12) == []


def test_a_stream_says_what_the_whole_says_and_can_be_closed(tiny_llama: Path) -> None:
    generator = TransformersGenerator(str(tiny_llama))
    whole = generator.generate(PROMPTS[:1], 12)[0]
    *pieces, last = generator.stream(PROMPTS[0], 12)
    assert last == whole
    assert "".join(map(str, pieces)).strip() == whole.text
    closed = generator.stream(PROMPTS[0], 4_000)
    next(closed)
    closed.close()
    assert generator.generate(PROMPTS[:1], 12)[0] == whole


def test_a_model_of_random_weights_copies_what_is_shown(tiny_llama: Path) -> None:
    generator = TransformersGenerator(str(tiny_llama))
    mug = Product("MUG1", "Harbour Mug", "Holds 300 ml. Dishwasher safe.")
    tent = Product("TENT1", "Ridge Tent", "Weighs 2.4 kg.")
    context = (Shown(mug, (mug.content,)), Shown(tent, (tent.content,)))
    prompts = [
        Prompt(tuple(build_messages(question, shown)), shown)
        for question, shown in (("how big?", context), ("weight of the tent", context[1:]), ("safe?", context[:1]))
    ]
    for prompt, completion in zip(prompts, generator.generate(prompts, 24), strict=True):
        reading = read_completion(completion.text)
        assert reading.number is not None
        assert is_quote(reading.said, prompt.context[reading.number - 1].product)
    assert isinstance(list(generator.stream(prompts[0], 24))[-1], Completion)


def test_a_failure_of_the_model_is_told_and_passes(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = TransformersGenerator(str(tiny_llama))
    whole = generator.generate(PROMPTS[:1], 5)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(generator._model, "generate", fail)
        with pytest.raises(GenerationError, match="failed while it answered: out of memory"):
            generator.generate(PROMPTS[:1], 5)
        with pytest.raises(GenerationError, match="out of memory"):
            list(generator.stream(PROMPTS[0], 5))
    assert generator.generate(PROMPTS[:1], 5) == whole


def test_threads_share_one_pipeline(tiny_llama: Path, index: HybridIndex) -> None:
    pipeline = pipeline_over(index, TransformersGenerator(str(tiny_llama)), max_new_tokens=8)
    questions = ["weight of the tent", "is the blue mug dishwasher safe", "what is What If?", "lamp bulb"] * 2
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(pipeline.answer, questions))
    apart = [pipeline.answer(question) for question in questions]
    assert [(a.text, a.status) for a in together] == [(a.text, a.status) for a in apart]
