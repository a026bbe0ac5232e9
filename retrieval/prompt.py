"""The one prompt: training rows and answers render the very same text.

Change anything that alters a token and ``PROMPT_VERSION`` goes up: adapters are bound to it.

A completion has one of four forms. ``[2] words`` answers with a run of words of product 2; ``[2]: words`` says that it
is product 2, and describes it; ``[2] Not in the description.`` and ``No matching product.`` decline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.context import Shown

PROMPT_VERSION = 4
NOT_SAID = "Not in the description."
NO_PRODUCT = "No matching product."
SYSTEM = (
    "Quote the words that answer: [1] words. Asked which product it is: [1]: words. "
    f"Else: [1] {NOT_SAID} or {NO_PRODUCT}"
)
SYSTEM_WITHOUT_RETRIEVAL = "Answer the shopper's question about a product in one short sentence."
SPAN_GAP = " … "
TEMPLATE_DATE = "26 Jul 2024"
"""Llama 3.2's template writes a date; today's would make another prompt each day. This is its own default."""
Message = dict[str, str]

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

    @property
    def quotes(self) -> tuple[str, ...]:
        """The words, apart where something was left out between them."""
        return tuple(self.said.split(SPAN_GAP))


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


def bare_end(text: str) -> str:
    """Return a text without the punctuation that it ends with by chance, as words taken from within a sentence do."""
    return text.rstrip(".,;:–—- ") or text


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
    before, *after = render_frames(tokenizer, [message["role"] for message in messages])
    ids: list[int] = tokenizer(before, add_special_tokens=False)["input_ids"]
    for message, frame in zip(messages, after, strict=True):
        ids += encode_text(tokenizer, message["content"])
        ids += tokenizer(frame, add_special_tokens=False)["input_ids"]
    return ids


def render_frames(tokenizer: Any, roles: Sequence[str]) -> list[str]:
    """Return what a chat template writes before, between and after messages.

    Args:
        tokenizer: A tokenizer with a chat template.
        roles: Of the messages.
    """
    marks = [f"\ue000{number}\ue001" for number in range(len(roles))]
    skeleton = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
    rest: str = tokenizer.apply_chat_template(
        skeleton, tokenize=False, add_generation_prompt=True, date_string=TEMPLATE_DATE
    )
    frames = []
    for mark in marks:
        frame, _, rest = rest.partition(mark)
        frames.append(frame)
    return [*frames, rest]
