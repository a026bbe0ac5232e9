"""Measurements. Each prints its result and writes it to ``benchmarks/results``."""
