"""Questions from products: what shoppers ask, written from titles and descriptions without a language model."""

from finetune.questions.generation import KINDS, NOISES, SHARES, generate

__all__ = ["KINDS", "NOISES", "SHARES", "generate"]
