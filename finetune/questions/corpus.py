"""What a sample of the catalogue tells about its words: how rare each is, and which are names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from finetune.questions.wording import content_terms, term_of
from retrieval.schema import Product
from retrieval.text import words

_BEFORE_VERBS = frozenset(["to", "can", "will", "you", "that", "it", "which", "and", "helps"])
_BEFORE_NOUNS = frozenset(["the", "a", "an", "of", "with", "your", "its", "this", "in", "for"])


class Corpus:
    """Counts over products: document frequencies of terms, and of words that are written in lower case."""

    def __init__(self, products: Iterable[Product]) -> None:
        """Count, in one pass."""
        self.size = 0
        self._frequency: Counter[str] = Counter()
        self._small: Counter[str] = Counter()
        self._capital: Counter[str] = Counter()
        self._as_verb: Counter[str] = Counter()
        self._as_noun: Counter[str] = Counter()
        for product in products:
            self.size += 1
            self._frequency.update(content_terms(f"{product.title} {product.content}"))
            said = words(product.content)
            for before, word in pairwise(said):
                if before in _BEFORE_VERBS:
                    self._as_verb[word] += 1
                elif before in _BEFORE_NOUNS:
                    self._as_noun[word] += 1
            self._small.update({word for word in said if word.islower()})
            self._capital.update({word.lower() for word in (*said, *words(product.title)) if word[0].isupper()})

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word, ``ln((N + 1) / (n + 1))``; 0 for a word without a term."""
        term = term_of(word)
        return math.log((self.size + 1) / (self._frequency[term] + 1)) if term else 0.0

    def is_name(self, word: str) -> bool:
        """Tell whether a word of a title is a name: written with a capital and hardly ever without."""
        low = word.lower()
        return word[0].isupper() and self._small[low] * 10 <= self._capital[low]

    def is_verb(self, word: str) -> bool:
        """Tell whether a word follows ``to``, ``can``, ``you``, ... more often than an article or ``of``."""
        low = word.lower()
        return self._as_verb[low] > self._as_noun[low]

    def is_common_noun(self, word: str) -> bool:
        """Tell whether a word is written in lower case somewhere."""
        return self._small[word.lower()] > 0

    def rarest(self, terms: frozenset[str]) -> str:
        """Return the term with the lowest document frequency, the alphabetically first of equals."""
        return min(terms, key=lambda term: (self._frequency[term], term))
