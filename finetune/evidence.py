"""Tuning of the evidence ranker: LoRA by sentence-transformers, what answers a question against what does not.

The folder it writes, a few MB, is what ``qa`` chooses a prompt's words with.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.encoder import LIBRARIES, LOSS_EVERY, check_plotting, refuse_existing, settle_adapter, write_json
from finetune.evidence_config import EvidenceConfig
from finetune.mining import Fold
from finetune.output import plot_losses, whole_or_nothing
from finetune.resources import GIB, Device
from retrieval.errors import UsageError
from retrieval.evidence import (
    EVIDENCE_FORMAT,
    HEAD_WEIGHTS,
    NOTHING,
    candidate,
    shares_of_evidence,
    untrained_ranker,
)
from retrieval.files import sha256_of_files
from retrieval.index import HybridIndex
from retrieval.machine import versions_of
from retrieval.models import RUN_FILE, resolve_model, weights_sha256
from retrieval.query import Query
from retrieval.question_file import Question, read_questions
from retrieval.schema import Product
from retrieval.snippet import candidates

_CERTAIN = 1e-6
_SEARCHED_AT_ONCE = 256
_PAIRS_AT_ONCE = 16
_OTHERS_FOR_A_PRODUCT = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """A question and its candidates.

    Attributes:
        question: In English.
        texts: The candidates, as they are read beside it.
        shares: The probability that each is the one that answers; they sum to 1.
    """

    question: str
    texts: tuple[str, ...]
    shares: tuple[float, ...]


def tune_evidence_ranker(
    index: HybridIndex, questions: Sequence[Path], out: Path, config: EvidenceConfig, *, leave_out: Fold | None = None
) -> dict[str, Any]:
    """Tune an evidence ranker on questions whose evidence is known; the folder appears when it is whole.

    The loss is ListNet's top-one form (Cao et al., "Learning to rank: from pairwise approach to listwise approach",
    ICML 2007) over the candidates of a question.

    Args:
        index: Where the products are, and where lookalikes are found.
        questions: Question files; one that is given twice counts twice.
        out: The folder to write: the adapter as PEFT saves it, its head, ``run.json`` and ``loss.png``.
        config: How to tune.
        leave_out: Leave out the questions whose product falls in this fold.

    Returns:
        What ``run.json`` says.

    Raises:
        UsageError: ``out`` is there already, a question file cannot be read, or no question can be learned from.
        ModelNotFound: The base is nowhere to be had.
        MissingExtra: A library of the extra ``train`` is not installed.
    """
    check_plotting()
    refuse_existing(out)
    device, began = Device.here(), time.perf_counter()
    base = resolve_model(config.base)
    asked = [question for path in questions for question in read_questions(path)]
    with whole_or_nothing(out) as folder:
        listings = mine_listings(index, asked, config, leave_out=leave_out)
        losses = _train(base, listings, config, folder)
        run = {
            "format": EVIDENCE_FORMAT,
            "base": {"id": config.base, "weights_sha256": weights_sha256(base)},
            "config": asdict(config),
            "leave_out": str(leave_out) if leave_out else None,
            "questions": {
                "files": [{"name": path.name, "sha256": sha256_of_files([path])} for path in questions],
                "read": len(asked),
                "learned_from": len(listings),
                "by_maker": Counter(question.maker for question in asked),
            },
            "index": {key: index.manifest[key] for key in ("catalogue", "encoder")},
            "loss": losses,
            "resources": {
                "device": device.facts(),
                "seconds": round(time.perf_counter() - began),
                "memory_peak_gib": round(device.peak_memory() / GIB, 2),
            },
            "libraries": versions_of(LIBRARIES),
        }
        write_json(folder / RUN_FILE, run)
        history = [{"step": step, "loss": loss} for step, loss in losses]
        plot_losses(history, folder / "loss.png", unit=f"mean of {LOSS_EVERY} steps")
    return run


def mine_listings(
    index: HybridIndex, questions: Sequence[Question], config: EvidenceConfig, *, leave_out: Fold | None = None
) -> list[Listing]:
    """Set what answers each question among what does not.

    The candidates are the sentence that nothing answers, the pieces that hold the evidence (those that hold at least
    60 % of its terms share by how much they hold), pieces of the same product, and pieces of the first product found
    that is not right; of the first three where it is asked which product it is, and then as many of these as otherwise
    of the same one. Where the description doesn't say, or the product is absent, the first is right.

    Args:
        index: Where the products are.
        questions: Those whose evidence stands in no piece are left out.
        config: How many candidates to draw.
        leave_out: Leave out the questions whose product falls in this fold.

    Raises:
        UsageError: No question is left.
    """
    draw = random.Random(config.seed)
    known = [question for question in questions if question.kind != "ambiguous"]
    listings = []
    for start in range(0, len(known), _SEARCHED_AT_ONCE):
        batch = known[start : start + _SEARCHED_AT_ONCE]
        queries = [index.query(question.question) for question in batch]
        found = index.search_queries(queries, 1 + _OTHERS_FOR_A_PRODUCT)
        for question, query, hits in zip(batch, queries, found, strict=True):
            right = next(filter(None, map(index.product, question.uids)), None)
            if (question.uids and right is None) or (right and leave_out and leave_out.holds(right)):
                continue
            wrong = [hit.product for hit in hits if not hit.product.is_any_of(question.uids)]
            if right is None:
                right, *wrong = wrong
            listing = _listing(question, query, right, wrong, config, draw)
            if listing is not None:
                listings.append(listing)
        print(f"read {start + len(batch)} of {len(known)} questions", file=sys.stderr)
    if not listings:
        raise UsageError(
            f"None of {len(questions)} questions can be learned from: their products are not in {index.folder} or are "
            "left out, or what answers them is not found in what is listed there."
        )
    return listings


def _listing(
    question: Question,
    query: Query,
    product: Product,
    others: Sequence[Product],
    config: EvidenceConfig,
    draw: random.Random,
) -> Listing | None:
    pieces = candidates(query, product)
    shares = shares_of_evidence(question.evidence, pieces)
    answered = question.kind in ("fact", "identify")
    if answered and not any(shares):
        return None
    answers = [(candidate(product.title, p), share) for p, share in zip(pieces, shares, strict=True) if share]
    rest = [candidate(product.title, p) for p, share in zip(pieces, shares, strict=True) if not share]
    own, foreign, looked_at = config.own_candidates, config.other_candidates, 1
    if question.kind == "identify":
        own, foreign, looked_at = foreign, own, _OTHERS_FOR_A_PRODUCT
    elsewhere = [candidate(other.title, piece) for other in others[:looked_at] for piece in candidates(query, other)]
    drawn = [*draw.sample(rest, min(own, len(rest))), *draw.sample(elsewhere, min(foreign, len(elsewhere)))]
    nothing = (candidate(product.title, NOTHING), 0.0 if answered else 1.0)
    texts, probabilities = zip(nothing, *answers, *((text, 0.0) for text in drawn), strict=True)
    return Listing(query.english, texts, probabilities)


def _train(base: Path, listings: Sequence[Listing], config: EvidenceConfig, folder: Path) -> list[tuple[int, float]]:
    """Train adapter and head and save them; returns steps and their loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from safetensors.torch import save_file
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import ListNetLoss
    from transformers import PrinterCallback, set_seed

    from finetune.progress import Progress

    set_seed(config.seed)
    model = untrained_ranker(base, config.max_tokens)
    model.add_adapter(
        LoraConfig(
            task_type="FEATURE_EXTRACTION",
            target_modules="all-linear",
            exclude_modules=["pooler.dense"],  # BERT's, which the mean of the token vectors replaces
            r=config.rank,
            lora_alpha=config.alpha,
        )
    )
    rows = {
        "question": [listing.question for listing in listings],
        "candidates": [list(listing.texts) for listing in listings],
        "labels": [[math.log(share + _CERTAIN) for share in listing.shares] for listing in listings],  # softmaxed
    }
    trainer = CrossEncoderTrainer(
        model=model,
        args=CrossEncoderTrainingArguments(
            output_dir=str(folder),
            seed=config.seed,
            max_steps=config.max_steps,
            per_device_train_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            warmup_steps=config.warmup_steps,
            weight_decay=config.weight_decay,
            dataloader_pin_memory=False,
            logging_steps=min(LOSS_EVERY, config.max_steps),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(rows),
        loss=ListNetLoss(model, mini_batch_size=_PAIRS_AT_ONCE),
        callbacks=[Progress()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.transformers_model.save_pretrained(folder)
    save_file({name: weight.contiguous() for name, weight in model[-1].state_dict().items()}, folder / HEAD_WEIGHTS)
    settle_adapter(folder, config.base, config.alpha)
    return [(entry["step"], round(entry["loss"], 4)) for entry in trainer.state.log_history if "loss" in entry]
