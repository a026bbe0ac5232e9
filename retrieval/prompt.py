"""The one prompt: training rows and answers render the very same text.

Change anything that alters a token and ``PROMPT_VERSION`` goes up: adapters are bound to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.schema import Product

PROMPT_VERSION = 1
NOT_IN_DESCRIPTION = "The description does not say."
NO_MATCH = "No matching product was found."
SYSTEM = (
    "You answer a shopper's question from product descriptions. "
    "Use the words of the description that fits the question and nothing else. Answer in one short sentence. "
    f"If the description does not hold the answer, say: {NOT_IN_DESCRIPTION}"
)
SYSTEM_WITHOUT_RETRIEVAL = "You answer a shopper's question about a product in one short sentence."
PASSAGE_GAP = " … "
Message = dict[str, str]


def build_messages(question: str, context: Sequence[tuple[Product, Sequence[str]]] | None) -> list[Message]:
    """Render a question and its context as chat messages.

    Args:
        question: The question.
        context: Products, best first, each with the spans of its content to show; None asks without retrieval.

    Returns:
        A system and a user message.
    """
    if context is None:
        return [{"role": "system", "content": SYSTEM_WITHOUT_RETRIEVAL}, {"role": "user", "content": question}]
    products = "\n\n".join(
        f"[{number}] {product.title}\n{PASSAGE_GAP.join(spans)}"
        for number, (product, spans) in enumerate(context, start=1)
    )
    user = f"Product descriptions:\n\n{products}\n\nQuestion: {question}"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


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
    rest: str = tokenizer.apply_chat_template(skeleton, tokenize=False, add_generation_prompt=True)
    ids: list[int] = []
    for message, mark in zip(messages, marks, strict=True):
        before, _, rest = rest.partition(mark)
        ids += tokenizer(before, add_special_tokens=False)["input_ids"]
        ids += tokenizer(message["content"], add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ids += tokenizer(rest, add_special_tokens=False)["input_ids"]
    return ids
