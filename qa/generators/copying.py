"""Decoding that can only quote: a model chooses the product and the span, and cannot say other words.

After each token only those may follow that continue one of the completions: the number of a product and one of its
spans, of those that answer best, as the evidence ranker sees it, or about as well. Once the tokens written fit one
completion alone, it is complete: the rest need not be computed. Constrained decoding after De Cao et al.,
"Autoregressive Entity Retrieval", ICLR 2021, arXiv:2010.00904.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.prompt import Shown, encode_text, write_completion

AS_WELL = 0.5
"""Spans within these log-odds of the best may be chosen. The value was chosen on development questions."""


class CopyGrammar:
    """The completions that one prompt allows."""

    def __init__(self, tokenizer: Any, context: Sequence[Shown], numbers: Sequence[int]) -> None:
        """Read what is shown.

        Args:
            tokenizer: The model's tokenizer.
            context: The products of the prompt.
            numbers: Those that may be answered from, from 1.
        """
        self.end: int = tokenizer.eos_token_id
        best = max(max(context[number - 1].scores) for number in numbers)
        self._completions: list[tuple[list[int], str]] = []
        for number in numbers:
            shown = context[number - 1]
            for text, score in zip((shown.product.title, *shown.spans), shown.scores, strict=True):
                for identifies in (False, True) if score >= best - AS_WELL else ():
                    said = write_completion(number, text, identifies=identifies)
                    self._completions.append((encode_text(tokenizer, said), said))

    def allowed(self, written: Sequence[int]) -> list[int]:
        """Return the tokens that may follow; the end alone where only one completion is left.

        Args:
            written: Tokens of the completion so far.
        """
        left = self._left(written)
        if len(left) <= 1:
            return [self.end]
        return sorted({ids[len(written)] if len(ids) > len(written) else self.end for ids, _ in left})

    def complete(self, written: Sequence[int]) -> str:
        """Return the completion that tokens begin: where several do, the one that ends first."""
        left = self._left([token for token in written if token != self.end])
        return min(left, key=lambda completion: len(completion[0]))[1] if left else ""

    def _left(self, written: Sequence[int]) -> list[tuple[list[int], str]]:
        return [(ids, said) for ids, said in self._completions if ids[: len(written)] == list(written)]
