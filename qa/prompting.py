"""The prompt of a question, no longer than it may be."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

from qa.generators.base import Generator, Prompt
from qa.judging import Asked
from retrieval.context import without_the_least
from retrieval.errors import UsageError
from retrieval.prompt import build_messages


def with_prompt(asked: Asked, generator: Generator, max_tokens: int) -> Asked:
    """Render the prompt of a question, span by span shorter until it fits; none where one span does not.

    Without a prompt a question is answered by quoting, as its product alone fills one.

    Args:
        asked: The question, with what may be shown.
        generator: The model that is to read it.
        max_tokens: Longest prompt.

    Raises:
        UsageError: There is no room for any product.
    """
    began, context = perf_counter(), asked.context
    while True:
        messages = build_messages(asked.query.text, context.shown)
        if generator.count_tokens(messages) <= max_tokens:
            spent = asked.milliseconds["context"] + (perf_counter() - began) * 1_000
            prompt = Prompt(tuple(messages), context.shown)
            return replace(asked, context=context, prompt=prompt, milliseconds=asked.milliseconds | {"context": spent})
        smaller = without_the_least(context)
        if smaller is None:
            if generator.count_tokens(build_messages(asked.query.text, ())) > max_tokens:
                raise UsageError(f"max_prompt_tokens is {max_tokens}: too few for one product.")
            return asked
        context = smaller
