"""What a listing does not say."""

from __future__ import annotations

from finetune.facts.attributes import Attribute, attributes, kind_of
from retrieval.schema import Product


def unsaid_attributes(product: Product) -> list[Attribute]:
    """Return the attributes that people ask about such a product, and of which its listing shows no trace.

    A listing that holds any cue of an attribute, a word or a unit, may say something about it; so a question about
    what is returned here can't be answered from the listing. Empty when the kind of product is not known.
    """
    kind = kind_of(product)
    listing = f"{product.title} {product.content}"
    asked = [attributes()[name] for name in kind.asked] if kind else []
    return [attribute for attribute in asked if not attribute.cues.search(listing)]
