"""The tokenizer of a converted model: what answering needs of a transformers one, without importing transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from retrieval.openvino_runtime import TOKENIZER
from retrieval.prompt import Message, build_messages, render_frames

_FACTS = "chat.json"


def save_chat_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a transformers tokenizer, its chat template rendered around the messages of a prompt.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        folder: Where ``ChatTokenizer`` will read it.
    """
    tokenizer.save_pretrained(folder)
    roles = [message["role"] for message in build_messages("?", None)]
    facts = {"roles": roles, "frames": render_frames(tokenizer, roles), "eos_token_id": tokenizer.eos_token_id}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


class ChatTokenizer:
    """Turns prompts into tokens, and tokens into text. Not safe to share between threads.

    Attributes:
        eos_token_id: The token that ends an answer.
    """

    def __init__(self, folder: Path) -> None:
        """Read what ``save_chat_tokenizer`` wrote."""
        from tokenizers import Tokenizer

        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        self.eos_token_id: int = facts["eos_token_id"]
        self._roles: list[str] = facts["roles"]
        self._frames: list[str] = facts["frames"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def __call__(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool = False
    ) -> dict[str, list[int]]:
        """Return the token ids of a text under ``input_ids``."""
        self._tokenizer.encode_special_tokens = split_special_tokens
        return {"input_ids": self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}

    def apply_chat_template(self, messages: Sequence[Message], **_: Any) -> str:
        """Return the messages of a prompt between the texts that the template puts around them."""
        if [message["role"] for message in messages] != self._roles:
            raise ValueError(f"the template was rendered for messages of {', '.join(self._roles)}")
        contents = (message["content"] for message in messages)
        return "".join(chain.from_iterable(zip_longest(self._frames, contents, fillvalue="")))

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Return the text of token ids."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        return text
