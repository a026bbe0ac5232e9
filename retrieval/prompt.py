"""The one prompt: training rows and answers render the very same text.

Change anything that alters a token and ``PROMPT_VERSION`` goes up: adapters are bound to it.

A completion has one of four forms. ``[2] words`` answers with words of product 2; ``[2]: words`` says that it is
product 2, and describes it; ``[2] Not in the description.`` and ``No matching product.`` decline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.encoder import Encoder
from retrieval.query import Query
from retrieval.schema import Hit, Product
from retrieval.snippet import promising_pieces, select_pieces

PROMPT_VERSION = 2
PROMPT_PRODUCTS = 2
WORDS_PER_PRODUCT = 60
NOT_SAID = "Not in the description."
NO_PRODUCT = "No matching product."
SYSTEM = (
    "Answer from the products. Write the number of the product and copy the words that answer: [1] words. If asked "
    f"which product it is: [1]: words that describe it. If it does not say: [1] {NOT_SAID} If none fits: {NO_PRODUCT}"
)
SYSTEM_WITHOUT_RETRIEVAL = "Answer the shopper's question about a product in one short sentence."
SPAN_GAP = " … "
TEMPLATE_DATE = "26 Jul 2024"
"""Llama 3.2's template writes a date; today's would make another prompt each day. This is its own default."""
Message = dict[str, str]
Shown = tuple[Product, tuple[str, ...]]
"""A product, and the spans of its content that are shown."""

_CITES = re.compile(r"\[(\d{1,2})\](:?)\s*")


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
    encoder: Encoder, asked: Sequence[tuple[Query, Sequence[Hit]]], max_words: int = WORDS_PER_PRODUCT
) -> list[list[Shown]]:
    """Choose what is shown of the products that searches found; texts that fit are shown whole.

    Args:
        encoder: Compares the pieces of longer descriptions with the question.
        asked: Questions with the hits to show, best first.
        max_words: Words of content a product.

    Returns:
        For each question its products in order.
    """
    scored = [
        [promising_pieces(query, hit.product) if len(hit.product.content.split()) > max_words else {} for hit in hits]
        for query, hits in asked
    ]
    compared = list(dict.fromkeys(piece for of_one in scored for pieces in of_one for piece in pieces))
    passages = dict(zip(compared, encoder.encode_passages(compared), strict=True)) if compared else {}
    comparing = [query.english for (query, _), of_one in zip(asked, scored, strict=True) if any(of_one)]
    vectors = dict(zip(comparing, encoder.encode_queries(comparing), strict=True)) if comparing else {}
    contexts: list[list[Shown]] = []
    for (query, hits), of_one in zip(asked, scored, strict=True):
        context: list[Shown] = []
        for hit, pieces in zip(hits, of_one, strict=True):
            spans: tuple[str, ...] = (hit.product.content,)
            if pieces:
                cosines = [float(passages[piece] @ vectors[query.english]) for piece in pieces]
                spans = select_pieces(hit.product.content, pieces, cosines, max_words)
            context.append((hit.product, spans))
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
        f"[{number}] {product.title}: {SPAN_GAP.join(spans)}" for number, (product, spans) in enumerate(context, 1)
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
