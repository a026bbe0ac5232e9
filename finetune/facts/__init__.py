"""Facts that product descriptions state, and the questions that they answer."""

from finetune.facts.attributes import Attribute
from finetune.facts.reading import Fact, facts_of
from finetune.facts.unsaid import unsaid_attributes

__all__ = ["Attribute", "Fact", "facts_of", "unsaid_attributes"]
