"""Whether the answer is about the right product, and about what was asked."""

from __future__ import annotations

from qa.evaluation.measures.case import Case
from qa.evaluation.measures.wording import share_held
from qa.evaluation.records import Scores

NAMED_FROM = 0.6
"""An answer names a product when it holds at least this share of the telling terms of its title."""


def is_about_right_product(case: Case) -> bool:
    """Tell whether an answer cites a right product, speaks of it, or names it by its title."""
    if any(case.is_right(product) for product, _ in case.citations):
        return True
    if case.product is not None and case.is_right(case.product):
        return True
    return any((share_held(product.title, case.text) or 0.0) >= NAMED_FROM for product in case.right)


def score(case: Case) -> Scores:
    """Score the relevance of an answer.

    ``right_product``: 1.0 when it is about a right product; for questions that have one. ``addresses_question``: cosine
    of question and answer by the index's encoder: the direct form of RAGAS's answer relevance (Es et al., EACL 2024,
    section 3), which compares the question with questions generated from the answer; for answers given.
    """
    right = float(is_about_right_product(case)) if case.has_right_product else None
    addresses = case.tools.cosine(case.question.question, case.text) if case.is_answered and case.text else None
    return {"right_product": right, "addresses_question": addresses}
