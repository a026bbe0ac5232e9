"""Measures of one answer: each module gives the formula and its source."""
