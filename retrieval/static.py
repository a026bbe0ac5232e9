"""Texts for static embeddings: most of their time goes into tokens, and most words have been met before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORDS_KEPT = 1_000_000


class WordTokenizer:
    """Turns texts into token ids, each word once.

    Exact for tokenizers that divide texts at white space before anything else, as BERT's do (``fits`` tells): the
    tokens of a text are those of its words, one after the other.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Remember nothing yet."""
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}

    @staticmethod
    def fits(tokenizer: Tokenizer) -> bool:
        """Tell whether a tokenizer divides at white space first."""
        return type(tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the token ids of all texts, and where each text begins among them."""
        if len(self._known) > _WORDS_KEPT:
            self._known.clear()
        known = self._known
        divided = [text.split() for text in texts]
        new = [word for word in dict.fromkeys(chain.from_iterable(divided)) if word not in known]
        encoded = self._tokenizer.encode_batch(new, add_special_tokens=False)
        known.update(zip(new, (each.ids for each in encoded), strict=True))
        ids = [list(chain.from_iterable(map(known.__getitem__, words))) for words in divided]
        starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)[:-1]
        return np.fromiter(chain.from_iterable(ids), dtype=np.int64), starts
