"""Tuning of the language model on retrieved context."""
