"""Retrieval for vague product questions: catalogue, hybrid index, and the prompt that training and answering share."""
