"""Words that answer and reference have in common: token F1 and ROUGE-L."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from qa.evaluation.measures.case import Case
from qa.evaluation.records import Scores

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def squad_tokens(text: str) -> list[str]:
    """Normalise as SQuAD's official script does: lower case, no punctuation, no articles; split at white space."""
    return _ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split()


def token_f1(answer: str, reference: str) -> float:
    """Return the F1 of the two bags of tokens (Rajpurkar et al., SQuAD, EMNLP 2016, section 6.1).

    P = common / tokens of the answer, R = common / tokens of the reference, F1 = 2PR / (P + R). Where one text has no
    token, it is 1.0 if the other has none either, as in the official script of SQuAD 2.0.
    """
    given, right = squad_tokens(answer), squad_tokens(reference)
    if not given or not right:
        return float(given == right)
    common = sum((Counter(given) & Counter(right)).values())
    return 2 * common / (len(given) + len(right))


def rouge_l(answer: str, reference: str) -> float:
    """Return ROUGE-L, the F1 of the longest common subsequence (Lin, ROUGE, ACL workshop 2004, section 3.1).

    P = LCS / tokens of the answer, R = LCS / tokens of the reference. Tokens are runs of ``a-z0-9`` after lower-casing,
    unstemmed, as in Google's ``rouge-score``: accented letters end a token there.
    """
    given, right = _rouge_tokens(answer), _rouge_tokens(reference)
    if not given or not right:
        return 0.0
    return 2 * _longest_common_subsequence(given, right) / (len(given) + len(right))


def score(case: Case) -> Scores:
    """Score an answer for which there is a reference."""
    reference = case.question.answer
    if not reference:
        return {"token_f1": None, "rouge_l": None}
    return {"token_f1": token_f1(case.text, reference), "rouge_l": rouge_l(case.text, reference)}


def _rouge_tokens(text: str) -> list[str]:
    return _NOT_ALPHANUMERIC.sub(" ", text.lower()).split()


def _longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for token in one:
        before = 0
        for place, candidate in enumerate(other, start=1):
            above = row[place]
            row[place] = before + 1 if token == candidate else max(above, row[place - 1])
            before = above
    return row[-1]
