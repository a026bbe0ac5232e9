"""What an evaluation raises beside wrong arguments."""

from __future__ import annotations

from retrieval.errors import ProductQAError


class EvaluationError(ProductQAError):
    """A run that cannot go on: a figure that cannot be computed, or a folder that holds another run."""
