"""Questions of products that the catalogue does not hold."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from finetune.questions import portuguese
from finetune.questions.drafts import Draft, Shelf
from finetune.questions.frames import elsewhere, frames
from finetune.questions.names import Name
from finetune.questions.search_kinds import worded
from finetune.questions.wording import joined
from retrieval.question_file import Question
from retrieval.schema import Product


def nowhere(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask of what shops of this kind do not list, or of a brand's thing that this brand does not make.

    Half of them join the brand or the device of ``product`` to the kind of another product; the census drops those that
    some product holds.
    """
    if random.random() < 0.5:
        sort = elsewhere()[random.choice(sorted(elsewhere()))]
        return Draft.of(random.choice(sort["asked"]), random.choice(sort["items"]), Question("", "absent"), "none")
    name = _composed(product, shelf, random)
    if name is None:
        return None
    extras = [word for word in name.core if word not in name.kind.split()]
    detail = random.choice(extras) if extras and random.random() < 0.6 else ""
    mention = joined([name.target or name.brand, detail, name.kind])
    template = worded(random.choice(frames("absent")), mention, name.kind, random)
    return Draft.of(template, mention, Question("", "absent"), "none")


def nowhere_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask in Portuguese for a brand's thing that this brand does not make."""
    name = _composed(product, shelf, random)
    return portuguese.missed(name, random, Question("", "absent")) if name else None


def _composed(product: Product, shelf: Shelf, random: Random) -> Name | None:
    """Join the brand or the device of a product to the kind of another."""
    name, other = shelf.name(product), shelf.name(random.choice(shelf.products))
    if not (name.target or name.brand) or not other.kind or other.is_work:
        return None
    return replace(other, brand="" if name.target else name.brand, target=name.target)
