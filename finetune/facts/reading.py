"""Reading facts out of a product's texts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finetune.facts.attributes import attributes, kind_of
from finetune.facts.clauses import Clauses, heads
from finetune.facts.grammar import rules
from retrieval.schema import Product

_VALUE = re.compile(r"\d[\d,./]*|[a-z]{4,}")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a listing says of its product.

    Attributes:
        attribute: Name of the attribute.
        answer: The shortest faithful answer, a verbatim part of ``evidence``.
        evidence: A verbatim span of the content, or of the title, of 16 words at most.
        questions: English templates that hold ``{product}``, each answered by ``answer``.
        questions_pt: The same in Portuguese.
    """

    attribute: str
    answer: str
    evidence: str
    questions: tuple[str, ...]
    questions_pt: tuple[str, ...]


def facts_of(product: Product) -> list[Fact]:
    """Read what a listing says of its product: at most one fact an attribute, none where it contradicts itself.

    A fact is taken only where the grammar of its clause says that it is the product's own: not negated, not of a part
    or of another product, and not cut.
    """
    kind = kind_of(product)
    own = heads(product.title)
    content, title = Clauses(product.content, own), Clauses(product.title, own)
    found: dict[str, list[tuple[str, str]]] = {}
    for rule in rules():
        if rule.is_for(kind.name if kind else ""):
            found.setdefault(rule.attribute, []).extend((title if rule.title else content).read(rule))
    facts = []
    for name, pairs in found.items():
        attribute = attributes()[name]
        if pairs and (attribute.several or len({tuple(_VALUE.findall(answer.lower())) for answer, _ in pairs}) == 1):
            facts.append(Fact(name, *pairs[0], attribute.questions, attribute.questions_pt))
    return facts
