"""Learning the weights of the reranker from questions whose product is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.mining import Fold
from retrieval.errors import UsageError
from retrieval.files import sha256_of_files
from retrieval.index import HybridIndex
from retrieval.question_file import read_questions
from retrieval.rerank import FEATURES, RERANK_DEPTH, Features, Reranker, features

_STEPS = 400
_LEARNING_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Example:
    """A question's hits, described, and which of them are right."""

    features: Features
    right: NDArray[np.bool_]


def learn_reranker(
    index: HybridIndex, questions: Sequence[Path], *, only: Fold | None = None, weight_decay: float = 1e-3
) -> Reranker:
    """Fit a weight for each feature by the listwise softmax loss: -log of the probability of the right products.

    The loss is ListNet's top-one form (Cao et al., "Learning to rank: from pairwise approach to listwise approach",
    ICML 2007), minimised in full batches from zero, so that equal input gives equal weights.

    Args:
        index: An index opened with ``rerank="none"``.
        questions: Question files; one that is given twice counts twice. Questions without one right product are left
            out.
        only: Learn from the questions whose product falls in this fold alone: the one that the index's encoder was
            tuned without, as cosines flatter questions that it has seen.
        weight_decay: L2 penalty on the weights of the standardised features.

    Raises:
        UsageError: A question file cannot be read, or no question whose product is among the first fifty hits.
    """
    examples = [example for example in _examples(index, questions, only) if example.right.any()]
    if not examples:
        files = ", ".join(map(str, questions))
        raise UsageError(f"No question of {files} has its product among the first {RERANK_DEPTH} hits.")
    every = np.concatenate([example.features for example in examples])
    scale = every.std(axis=0) + 1e-6
    weights, losses = _fit([Example(e.features / scale, e.right) for e in examples], weight_decay)
    facts = {
        "questions": len(examples),
        "questions_sha256": sha256_of_files(list(questions)),
        "catalogue_sha256": index.manifest["catalogue"]["sha256"],
        "only": str(only) if only else None,
        "weight_decay": weight_decay,
        "loss": {"first": round(losses[0], 4), "last": round(losses[-1], 4)},
    }
    by_name = {name: round(float(w), 6) for name, w in zip(FEATURES, weights / scale, strict=True)}
    return Reranker(by_name, index.manifest["encoder"], facts)


def _examples(index: HybridIndex, files: Sequence[Path], only: Fold | None) -> list[Example]:
    read = [row for path in files for row in read_questions(path)]
    rows = [row for row in read if row.uids and row.kind != "ambiguous"]
    if only is not None:
        rows = [row for row in rows if any(only.holds(product) for product in map(index.product, row.uids) if product)]
    queries = [index.query(row.question) for row in rows]
    found = index.search_queries(queries, RERANK_DEPTH)
    return [
        Example(
            features(query, hits),
            np.asarray([hit.product.is_any_of(row.uids) for hit in hits], dtype=np.bool_),
        )
        for row, query, hits in zip(rows, queries, found, strict=True)
    ]


def _fit(examples: Sequence[Example], weight_decay: float) -> tuple[NDArray[np.float64], list[float]]:
    """Minimise the mean loss by Adam over full batches, hits padded to the longest list."""
    import torch

    longest = max(len(example.right) for example in examples)
    x = torch.zeros(len(examples), longest, len(FEATURES), dtype=torch.float64)
    there, right = torch.zeros(2, len(examples), longest, dtype=torch.bool)
    for row, example in enumerate(examples):
        x[row, : len(example.right)] = torch.from_numpy(example.features)
        there[row, : len(example.right)] = True
        right[row, : len(example.right)] = torch.from_numpy(example.right)
    weights = torch.zeros(len(FEATURES), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=_LEARNING_RATE)
    losses = []
    for _ in range(_STEPS):
        scores = x @ weights
        of_all = scores.masked_fill(~there, -torch.inf).logsumexp(dim=1)
        of_right = scores.masked_fill(~right, -torch.inf).logsumexp(dim=1)
        loss = (of_all - of_right).mean()
        optimiser.zero_grad()
        (loss + weight_decay * weights.square().sum()).backward()
        optimiser.step()
        losses.append(loss.item())
    return weights.detach().numpy(), losses
