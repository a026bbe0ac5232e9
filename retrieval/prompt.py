"""The one prompt: training rows and answers render the very same text.

Change anything that alters a token and ``PROMPT_VERSION`` goes up: adapters are bound to it.

A completion has one of four forms. ``[2] words`` answers with words of product 2; ``[2]: words`` says that it is
product 2, and describes it; ``[2] Not in the description.`` and ``No matching product.`` decline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, NamedTuple

from retrieval.evidence import NOTHING, EvidenceRanker, candidate
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.snippet import candidates, take_best

PROMPT_VERSION = 3
PROMPT_PRODUCTS = 2
WORDS_PER_PRODUCT = 60
NOT_SAID = "Not in the description."
NO_PRODUCT = "No matching product."
SYSTEM = (
    "Copy the words of a product that answer: [1] words. Asked which product it is: [1]: words. "
    f"It does not say: [1] {NOT_SAID} None fits: {NO_PRODUCT}"
)
SYSTEM_WITHOUT_RETRIEVAL = "Answer the shopper's question about a product in one short sentence."
SPAN_GAP = " … "
TEMPLATE_DATE = "26 Jul 2024"
"""Llama 3.2's template writes a date; today's would make another prompt each day. This is its own default."""
Message = dict[str, str]

_CITES = re.compile(r"\[(\d{1,2})\](:?)\s*")


class Shown(NamedTuple):
    """A product as it stands in a prompt.

    Attributes:
        product: The product.
        spans: The spans of its content that are shown, the one that answers best first.
        scores: Log-odds of the title and of each span that it answers the question, against that nothing does, as the
            evidence ranker sees it.
        answers: The same of all its text together.
    """

    product: Product
    spans: tuple[str, ...]
    scores: tuple[float, ...]
    answers: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A completion taken apart.

    Attributes:
        number: The product it speaks of, from 1; None where it names none.
        identifies: Whether it says which product it is.
        said: Its words.
    """

    number: int | None
    identifies: bool
    said: str


def choose_context(
    ranker: EvidenceRanker, asked: Sequence[tuple[Query, Sequence[Hit]]], max_words: int = WORDS_PER_PRODUCT
) -> list[list[Shown]]:
    """Choose what is shown of the products that searches found.

    Args:
        ranker: Tells the pieces of a description that answer from those that do not.
        asked: Questions with the hits to show, best first.
        max_words: Words of content a product.

    Returns:
        For each question its products in order.
    """
    texts = [[candidates(query, hit.product) for hit in hits] for query, hits in asked]
    pairs = [
        (query.english, candidate(hit.product.title, text))
        for (query, hits), of_one in zip(asked, texts, strict=True)
        for hit, of_hit in zip(hits, of_one, strict=True)
        for text in (NOTHING, *of_hit)
    ]
    scores = iter(ranker.score(pairs).tolist())
    contexts: list[list[Shown]] = []
    for (_, hits), of_one in zip(asked, texts, strict=True):
        context: list[Shown] = []
        for hit, of_hit in zip(hits, of_one, strict=True):
            nothing, *scored = (next(scores) for _ in range(1 + len(of_hit)))
            against = {text: score - nothing for text, score in zip(of_hit, scored, strict=True)}
            spans = take_best(of_hit[1:], scored[1:], max_words)
            shown = tuple(against[text] for text in (hit.product.title, *spans))
            context.append(Shown(hit.product, spans, shown, answers=log(sum(map(exp, against.values())))))
        contexts.append(context)
    return contexts


def build_messages(question: str, context: Sequence[Shown] | None) -> list[Message]:
    """Render a question and its context as chat messages.

    The question stands before the products too: a causal model reads them knowing what is asked.

    Args:
        question: The question.
        context: Products, best first, each with the spans of its content to show; None asks without retrieval.

    Returns:
        A system and a user message.
    """
    if context is None:
        return [{"role": "system", "content": SYSTEM_WITHOUT_RETRIEVAL}, {"role": "user", "content": question}]
    products = "\n".join(
        f"[{number}] {shown.product.title}: {SPAN_GAP.join(shown.spans)}" for number, shown in enumerate(context, 1)
    )
    user = f"Question: {question}\n\n{products}\n\nQuestion: {question}"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


def write_completion(number: int, said: str, *, identifies: bool = False) -> str:
    """Render what a model is to say: the inverse of ``read_completion``."""
    return f"[{number}]{':' if identifies else ''} {said}"


def read_completion(text: str) -> Reading:
    """Take a completion apart; words without a number before them are kept as they are."""
    cites = _CITES.match(text.lstrip())
    if cites is None:
        return Reading(None, False, text.strip())
    return Reading(int(cites[1]), bool(cites[2]), text.lstrip()[cites.end() :].strip())


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of a text, in which special tokens are spelled out like other words."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def encode_messages(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Turn messages into the token ids of a prompt that ends where the assistant begins.

    The chat template alone writes special tokens: what stands inside a message is tokenised as plain text, so a
    description that spells ``<|im_start|>`` cannot open a turn of its own.

    Args:
        tokenizer: A transformers tokenizer with a chat template.
        messages: Chat messages.

    Returns:
        Token ids.
    """
    marks = [f"\ue000{number}\ue001" for number in range(len(messages))]
    skeleton = [{"role": message["role"], "content": mark} for message, mark in zip(messages, marks, strict=True)]
    rest: str = tokenizer.apply_chat_template(
        skeleton, tokenize=False, add_generation_prompt=True, date_string=TEMPLATE_DATE
    )
    ids: list[int] = []
    for message, mark in zip(messages, marks, strict=True):
        before, _, rest = rest.partition(mark)
        ids += tokenizer(before, add_special_tokens=False)["input_ids"]
        ids += encode_text(tokenizer, message["content"])
    ids += tokenizer(rest, add_special_tokens=False)["input_ids"]
    return ids
