"""Drafts of questions, and the shelf of products that they are written from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from finetune.questions.corpus import Corpus
from finetune.questions.names import Name, name_of
from finetune.questions.phrases import Phrase, phrases_of
from retrieval.question_file import Question
from retrieval.schema import Product

Fit = Literal["exact", "close", "none", "several"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is checked against the catalogue and before noise.

    Attributes:
        question: The question as it stands; its ``uids`` may grow by products that fit as well.
        template: The question with ``{product}`` where ``said`` stands.
        said: The mention in the question's own words.
        mention: The words of the catalogue that ``said`` stands for.
        fit: How many products may hold all words of the mention: ``exact`` one, ``close`` a few (all of them are
            right), ``none``, ``several`` at least two.
    """

    question: Question
    template: str
    said: str
    mention: str
    fit: Fit

    @classmethod
    def of(cls, template: str, said: str, question: Question, fit: Fit, *, pointer: str = "") -> Draft:
        """Fill a template; ``pointer`` are the words of the catalogue, where they are not those of the mention."""
        filled = replace(question, question=template.replace("{product}", said))
        return cls(filled, template, said, pointer or said, fit)


class Shelf:
    """Products at hand, with what is worked out of them once."""

    def __init__(self, products: list[Product], corpus: Corpus) -> None:
        """Take products; ``corpus`` knows their words."""
        self.products = products
        self.corpus = corpus
        self._names: dict[str, Name] = {}
        self._phrases: dict[str, list[Phrase]] = {}

    def name(self, product: Product) -> Name:
        """Return the product's title, taken apart."""
        if product.uid not in self._names:
            self._names[product.uid] = name_of(product, self.corpus)
        return self._names[product.uid]

    def phrases(self, product: Product) -> list[Phrase]:
        """Return the phrases of the product's description, the rarest first; themes only of works."""
        if product.uid not in self._phrases:
            found = phrases_of(product, self.corpus)
            is_work = self.name(product).is_work
            self._phrases[product.uid] = [phrase for phrase in found if is_work or phrase.role != "theme"]
        return self._phrases[product.uid]


def uids_of(product: Product) -> tuple[str, ...]:
    """Return the product's identifier and those of its twins."""
    return (product.uid, *product.twins)
