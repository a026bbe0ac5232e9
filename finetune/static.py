"""A static encoder: one vector for each token, their mean for a text; hundreds of times as fast as a transformer.

The vectors are distilled from a teacher (model2vec: Tulkens & van Dongen, "Model2Vec: fast state-of-the-art static
embeddings", 2024) and then learned on: questions against the passage of their product, and shuffled halves of titles
and single sentences against the whole passage. The folder it writes is a sentence-transformers model.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.encoder import refuse_existing, write_json
from finetune.mining import passage_of
from finetune.output import whole_or_nothing
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.errors import MissingExtra, UsageError
from retrieval.files import sha256_of_files
from retrieval.models import RUN_FILE
from retrieval.question_file import FINDABLE, read_questions
from retrieval.text import sentences

if TYPE_CHECKING:
    from torch.nn import Module

    from retrieval.index import HybridIndex

Pairs = list[tuple[str, str]]
"""A text as a shopper may type it, and the passage it is about."""

WEIGHTS = "model.safetensors"
_SHORTEST_SENTENCE = 20


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """How a static encoder is made.

    Attributes:
        dimension: Length of a vector: principal components of the teacher's.
        steps: Optimiser steps; half of each batch are questions, where there are any.
        batch_size: Pairs a step; each text is told apart from the passages of all others.
        learning_rate: Adam's at first; it falls linearly to 0.
        scale: Of the cosines, in the cross-entropy.
        seed: Of all chance.
    """

    dimension: int = 256
    steps: int = 600
    batch_size: int = 256
    learning_rate: float = 3e-3
    scale: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: A value is out of range; the message names it.
        """
        for name, least in (("dimension", 2), ("steps", 0), ("batch_size", 2)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least {least}.")


def make_static(
    index: HybridIndex, questions: Sequence[Path], teacher: str, out: Path, config: StaticConfig
) -> dict[str, Any]:
    """Distil a static encoder from a teacher and learn it on; the folder appears when it is whole.

    Args:
        index: Gives the products, and which of their text is encoded.
        questions: Question files.
        teacher: Hub id or folder of a sentence-transformers transformer, or of an adapter over one.
        out: The folder to write: a sentence-transformers model in 8 bits, and ``run.json``.
        config: How to make it.

    Returns:
        What ``run.json`` says.

    Raises:
        UsageError: ``out`` is there already, or a question file cannot be read.
        ModelNotFound: The teacher is nowhere to be had.
        MissingExtra: A library of the extra ``train`` is not installed.
    """
    if importlib.util.find_spec("model2vec") is None:
        raise MissingExtra("A static encoder needs the extra train: pip install 'product-qa[train]'.")
    refuse_existing(out)
    began = time.perf_counter()
    asked, described = question_pairs(index, questions), description_pairs(index, config.seed)
    encoder = SentenceTransformerEncoder(teacher)
    with whole_or_nothing(out) as folder:
        embedding = _distilled(encoder, config.dimension)
        losses = _learn(embedding, asked, described, config)
        _save(embedding, folder)
        run = {
            "teacher": encoder.identity.as_dict(),
            "config": asdict(config),
            "questions": [{"name": path.name, "sha256": sha256_of_files([path])} for path in questions],
            "pairs": {"questions": len(asked), "titles and sentences": len(described)},
            "catalogue": index.manifest["catalogue"],
            "loss": losses,
            "seconds": round(time.perf_counter() - began),
        }
        write_json(folder / RUN_FILE, run)
    return run


def question_pairs(index: HybridIndex, files: Sequence[Path]) -> Pairs:
    """Return the questions of files that have one right product in the index, with its passage."""
    passage = passage_of(index)
    asked = [question for path in files for question in read_questions(path) if question.kind in FINDABLE]
    found = [(q.question, next(filter(None, map(index.product, q.uids)), None)) for q in asked]
    return [(question, passage(product)) for question, product in found if product is not None]


def description_pairs(index: HybridIndex, seed: int) -> Pairs:
    """Return half of the words of each title, shuffled, and one sentence of each content, with the passage."""
    passage = passage_of(index)
    draw = random.Random(seed)
    pairs = []
    for product in index.catalogue:
        words = product.title.split()
        draw.shuffle(words)
        pairs.append((" ".join(words[: max(2, len(words) // 2)]), passage(product)))
        long = [sentence for sentence in sentences(product.content) if len(sentence) > _SHORTEST_SENTENCE]
        if long:
            pairs.append((draw.choice(long), passage(product)))
    return pairs


def _distilled(teacher: SentenceTransformerEncoder, dimension: int) -> Any:
    from model2vec.distill import distill_from_model
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    model = teacher.model
    static: Any = distill_from_model(
        model.transformers_model, model.tokenizer, device="cpu", pca_dims=dimension, quantize_to="float32"
    )
    weights = np.ascontiguousarray(static.embedding * static.weights[:, None], dtype=np.float32)
    return StaticEmbedding(static.tokenizer, embedding_weights=weights)


def _learn(embedding: Any, asked: Pairs, described: Pairs, config: StaticConfig) -> list[tuple[int, float]]:
    """Learn by the cross-entropy of the right passage among those of the batch; returns steps and their loss."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    def vectors(ids: list[list[int]]) -> Any:
        starts = np.cumsum([0, *map(len, ids[:-1])])
        return normalize(table(torch.tensor([token for each in ids for token in each]), torch.from_numpy(starts)))

    def tokens(texts: list[str]) -> list[list[int]]:
        return [each.ids or [0] for each in embedding.tokenizer.encode_batch(texts, add_special_tokens=False)]

    table: Module = embedding.embedding
    pools = [
        [*zip(tokens([t for t, _ in pool]), tokens([p for _, p in pool]), strict=True)] for pool in (asked, described)
    ]
    pools = [pool for pool in pools if pool]
    optimiser = torch.optim.Adam(table.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 1e-3, max(1, config.steps))
    draw = random.Random(config.seed)
    losses = []
    for step in range(1, config.steps + 1):
        share = config.batch_size // len(pools)
        drawn = [pair for pool in pools for pair in draw.sample(pool, min(share, len(pool)))]
        batch = list({tuple(passage): (text, passage) for text, passage in drawn}.values())
        cosines = vectors([text for text, _ in batch]) @ vectors([passage for _, passage in batch]).T
        loss = cross_entropy(config.scale * cosines, torch.arange(len(batch)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step == 1 or step % 100 == 0 or step == config.steps:
            losses.append((step, round(loss.item(), 4)))
            print(f"step {step} of {config.steps}, loss {losses[-1][1]}", file=sys.stderr)
    return losses


def _save(embedding: Any, folder: Path) -> None:
    """Write the model, its vectors in 8 bits with a scale each, as sentence-transformers reads them of model2vec."""
    from safetensors.numpy import save_file
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=[embedding], device="cpu").save(str(folder), create_model_card=False)
    table = embedding.embedding.weight.detach().numpy()
    scales = np.maximum(np.abs(table).max(axis=1), np.finfo(np.float32).tiny) / 127
    codes = np.round(table / scales[:, None]).astype(np.int8)
    save_file({"embeddings": codes, "weights": scales.astype(np.float32)}, folder / WEIGHTS)
