"""Decoding that can only copy: a model chooses the product and the words, and cannot say others.

After each token only those may follow that continue the number of a product and a run of whole words of what is shown
of it. Constrained decoding after De Cao et al., "Autoregressive Entity Retrieval", ICLR 2021, arXiv:2010.00904. Where
the model would rather have declined, its probability of doing so is told, and the pipeline decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.prompt import NO_PRODUCT, NOT_SAID, Shown, encode_text

_LOOSE_ENDS = ".,;:!?"


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in tokens, and where a run of its words may begin and end."""

    ids: list[int]
    begins: list[bool]
    ends: list[bool]


class CopyGrammar:
    """The completions that one prompt allows."""

    def __init__(self, tokenizer: Any, context: Sequence[Shown], numbers: Sequence[int]) -> None:
        """Read what is shown.

        Args:
            tokenizer: The model's fast tokenizer.
            context: The products of the prompt.
            numbers: Those that may be answered from, from 1.
        """
        self.end: int = tokenizer.eos_token_id
        self.rejecting: int = encode_text(tokenizer, NO_PRODUCT)[0]
        """The token that, at the beginning, says that no product matches."""
        self.declining: int = encode_text(tokenizer, f" {NOT_SAID}")[0]
        """The token that, after a product's number, says that its description doesn't say."""
        self._heads = [encode_text(tokenizer, f"[{n}]") for n in numbers]
        self._sources = []
        for n, head in zip(numbers, self._heads, strict=True):
            shown = context[n - 1]
            texts = [_text(tokenizer, text) for text in (shown.product.title, *shown.spans)]
            self._sources += [(head, texts), (encode_text(tokenizer, f"[{n}]:"), texts)]

    def allowed(self, written: Sequence[int], *, soon: bool = False) -> list[int]:
        """Return the tokens that may follow.

        Args:
            written: Tokens of the completion so far.
            soon: Whether to end at the next end of a word.
        """
        written = list(written)
        following: set[int] = set()
        for head, texts in self._sources:
            if len(written) < len(head):
                if head[: len(written)] == written:
                    following.add(head[len(written)])
            elif written[: len(head)] == head:
                run = written[len(head) :]
                for text in texts:
                    following |= self._after(run, text)
        if soon and self.end in following:
            return [self.end]
        return sorted(following) or [self.end]

    def may_decline(self, written: Sequence[int]) -> bool:
        """Tell whether the next token decides whether the description says it: whether it follows a number."""
        return list(written) in self._heads

    def _after(self, run: list[int], text: _Text) -> set[int]:
        following: set[int] = set()
        for start, begins in enumerate(text.begins):
            stop = start + len(run)
            if begins and text.ids[start:stop] == run:
                if run and text.ends[stop - 1]:
                    following.add(self.end)
                if stop < len(text.ids):
                    following.add(text.ids[stop])
        return following


def _text(tokenizer: Any, text: str) -> _Text:
    """Tokenise a text as it stands after a number and a space, so that its first word looks like the others."""
    text = f" {text}"
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    begins, ends = [], []
    for start, end in encoded["offset_mapping"]:
        begins.append(text[start].isspace() or text[start - 1].isspace())
        rest = text[end:].split(" ", 1)[0]
        ends.append(not rest.strip(_LOOSE_ENDS))
    return _Text(encoded["input_ids"], begins, ends)
