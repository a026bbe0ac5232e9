"""Misspelt words: terms that the catalogue does not know, and the ones it knows that look like them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

TermsWithPrefix = Callable[[str], list[tuple[str, int]]]
"""Gives the index terms with a prefix and the number of products that hold each."""

_SHORTEST = 4
_TWO_ERRORS_FROM = 6
_ALTERNATIVES = 2
_RARE = 2
_COMMONER = 100


class Speller:
    """Finds the catalogue terms that a term may be a misspelling of.

    A term is suspect when no product holds it, or at most two do while a term one error away is a hundred times as
    common ("lenght"). Alternatives share its first letter and are one error away or, where there are none and the term
    is long, two. Errors are insertions, deletions, substitutions and transpositions: the optimal string alignment
    distance (Damerau, CACM 7(3), 1964).
    """

    def __init__(self, terms_with_prefix: TermsWithPrefix) -> None:
        """Look terms up with this function."""
        self._terms_with_prefix = terms_with_prefix
        self.alternatives = lru_cache(maxsize=10_000)(self._alternatives)

    def _alternatives(self, term: str) -> tuple[str, ...]:
        """Return at most two likely spellings of a term, the commoner first; none for a term that seems right."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        if len(term) < _SHORTEST or not term.isalpha():
            return ()
        for prefix in (term[:2], term[:1]):
            counts = dict(self._terms_with_prefix(prefix))
            known = counts.pop(term, 0)
            if known > _RARE:
                return ()
            for errors in (1, 2) if not known and len(term) >= _TWO_ERRORS_FROM else (1,):
                near = process.extract(term, list(counts), scorer=OSA.distance, score_cutoff=errors, limit=None)
                likely = [found for found, _, _ in near if counts[found] >= known * _COMMONER]
                if likely:
                    return tuple(sorted(likely, key=lambda found: (-counts[found], found))[:_ALTERNATIVES])
        return ()
