"""Decoding that can only quote: a model decides what is asked for, and cannot say other words than those of a product.

Which product it is, the search knows best, and which of its spans answer, the evidence ranker; a model of 135 million
parameters finds the same places, but cuts them wrongly and takes one product for another (see docs/log.md). What it has
learned beyond them is which of two forms the completion has, whether it answers or says which product it is. The prompt
and both beginnings are read in one pass, and their probabilities decide. Copying by construction is after De Cao et
al., "Autoregressive entity retrieval", ICLR 2021, arXiv:2010.00904.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qa.generators.reading import Reader
from retrieval.context import Shown, answering_spans
from retrieval.prompt import SPAN_GAP, encode_text, write_completion

IDENTIFIES_FROM = 0.6
"""The probability from which a question is taken to ask which product it is. Development questions chose this value."""


def quote(reader: Reader, tokenizer: Any, prompt: Sequence[int], context: Sequence[Shown]) -> str:
    """Return the completion of a prompt that shows products: see the module.

    Args:
        reader: The model.
        tokenizer: Its tokenizer.
        prompt: Token ids.
        context: The products of the prompt.
    """
    said = SPAN_GAP.join(answering_spans(context[0]))
    identifies = probability_of_identifying(reader, tokenizer, prompt) >= IDENTIFIES_FROM
    return write_completion(1, said, identifies=identifies)


def probability_of_identifying(reader: Reader, tokenizer: Any, prompt: Sequence[int]) -> float:
    """Return how probable it is that the first product is said to be the one that is asked for, rather than quoted."""
    forms = [
        encode_text(tokenizer, write_completion(1, "", identifies=identifies).strip()) for identifies in (False, True)
    ]
    _, tables = reader.read(prompt, forms)
    answers, identifies = (math.fsum(table[range(len(form)), form]) for form, table in zip(forms, tables, strict=True))
    return 1 / (1 + math.exp(min(answers - identifies, 700.0)))
