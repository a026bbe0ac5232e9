"""Training rows: questions with the context that the index retrieves for them, mistakes included.

Each row's context is what the search of this very index returned, in its order, with its distractors (RAFT: Zhang et
al., "Adapting Language Model to Domain Specific RAG", 2024, arXiv:2403.10131; here the distractors are retrieved, not
drawn at random). A row whose product was not retrieved learns to decline, never to answer from a text that is absent.
"""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.masks import EVALUATION, ROWS, TRAIN
from finetune.output import refuse_file
from finetune.split import check_no_leak, groups, is_held_out
from retrieval.adapter import index_identity
from retrieval.context import FITTING_SHARE, PROMPT_PRODUCTS, WORDS_PER_PRODUCT, Shown, choose_context
from retrieval.errors import UsageError
from retrieval.evidence import EvidenceRanker, Pair
from retrieval.files import replace_json, replace_text, sha256_of_files
from retrieval.index import HybridIndex
from retrieval.prompt import (
    NO_PRODUCT,
    NOT_SAID,
    PROMPT_VERSION,
    Message,
    bare_end,
    build_messages,
    write_completion,
)
from retrieval.query import Query
from retrieval.question_file import Question, read_questions
from retrieval.rereading import find
from retrieval.schema import Product

_LEAST_SHARED = 0.5
"""Share of the evidence's words that what is to be said must hold."""
_MOST_WORDS = 30
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Keep:
    """The share of the questions of each kind that becomes rows."""

    fact: float = 1.0
    identify: float = 1.0
    unanswerable: float = 1.0
    absent: float = 1.0


@dataclass(frozen=True, slots=True)
class RowsConfig:
    """How questions become rows.

    Attributes:
        products: Products shown in a prompt.
        words_per_product: Words of content shown of each.
        fitting_share: Products that match less than this share as well as the best one are not shown.
        evaluation_share: Share of the groups of lookalike products that is kept for evaluation.
        rank_noise: How much the evidence ranker is disturbed: the scale of Gumbel noise on its scores. It was tuned on
            the same questions and puts what answers them first too often; a model would learn to trust it blindly.
        memorise_share: Share of the answerable rows that lose their right product and keep its answer: RAFT's variant
            that memorises. It teaches to answer from memory, so it is off.
        keep: Shares of the kinds of question.
        seed: Of the split and of what is left out.
    """

    products: int = PROMPT_PRODUCTS
    words_per_product: int = WORDS_PER_PRODUCT
    fitting_share: float = FITTING_SHARE
    evaluation_share: float = 0.08
    rank_noise: float = 0.5
    memorise_share: float = 0.0
    keep: Keep = field(default_factory=Keep)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: A number is out of its range.
        """
        for name in ("products", "words_per_product"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.rank_noise < 0:
            raise UsageError(f"rank_noise is {self.rank_noise}; it must not be negative.")
        for name in ("evaluation_share", "memorise_share", "fitting_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1.")


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt and what is to be said.

    Attributes:
        prompt: Chat messages.
        completion: In the form of ``retrieval.prompt``.
        kind: The question's kind.
        target: ``answer``, ``not_said`` or ``no_product``.
        oracle: Whether the right product is shown.
        group: Its group of lookalikes; the question itself for a product that is not there.
        uid: The right product; empty without one.
        question: The question.
        answer: The reference answer.
        lang: Its language.
        noise: Its noise.
        maker: What made it.
    """

    prompt: list[Message]
    completion: str
    kind: str
    target: str
    oracle: bool
    group: str
    uid: str
    question: str
    answer: str
    lang: str
    noise: str
    maker: str


class NoisyRanker:
    """An evidence ranker that errs as often as one that has not seen the questions."""

    def __init__(self, ranker: EvidenceRanker, scale: float, seed: int) -> None:
        """Wrap a ranker.

        Args:
            ranker: The ranker.
            scale: Of the Gumbel noise that is added to its scores.
            seed: Of the noise.
        """
        self._ranker = ranker
        self._scale = scale
        self._draw = np.random.default_rng(seed)

    def score(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Return an array ``(n,)`` of disturbed scores."""
        scores = self._ranker.score(pairs)
        return (scores + self._draw.gumbel(scale=self._scale, size=len(scores))).astype(np.float32)


def prepare(
    index: HybridIndex, ranker: EvidenceRanker, files: Sequence[Path], config: RowsConfig, out: Path
) -> dict[str, Any]:
    """Write ``train.jsonl``, ``evaluation.jsonl`` and ``rows.json`` to a folder.

    Args:
        index: Where contexts are retrieved.
        ranker: Chooses what is shown of a product.
        files: Question files.
        config: How questions become rows.
        out: The folder.

    Returns:
        The facts that ``rows.json`` holds: counts, and what the rows were made from.

    Raises:
        UsageError: A question file is wrong, nothing is left of them, or ``out`` is a file.
        TrainingDataError: A product or lookalike stands on both sides of the split.
    """
    refuse_file(out)
    draw = random.Random(config.seed)
    read = [question for file in files for question in read_questions(file)]
    questions = [q for q in read if q.kind != "ambiguous" and draw.random() < getattr(config.keep, q.kind)]
    known = {q: _product(index, q) for q in questions}
    products = list({product.uid: product for product in known.values() if product is not None}.values())
    group_of = dict(zip((product.uid for product in products), groups(products), strict=True))

    noisy = NoisyRanker(ranker, config.rank_noise, config.seed)
    dropped: Counter[str] = Counter()
    rows = []
    for start in range(0, len(questions), _AT_ONCE):
        batch = questions[start : start + _AT_ONCE]
        for question, query, context in zip(batch, *_contexts(index, noisy, batch, config), strict=True):
            product = known[question]
            if question.uids and product is None:
                dropped["product is not in the index"] += 1
                continue
            row = _row(question, query, context, group_of, product, config, draw)
            if row is None:
                dropped["evidence is not shown"] += 1
            else:
                rows.append(row)
    held_out = [row for row in rows if is_held_out(row.group, config.evaluation_share, config.seed)]
    train = [row for row in rows if not is_held_out(row.group, config.evaluation_share, config.seed)]
    if not train:
        raise UsageError("No training row is left of these questions.")
    by_uid = {product.uid: product for product in products}
    check_no_leak(*([by_uid[uid] for uid in dict.fromkeys(r.uid for r in side if r.uid)] for side in (train, held_out)))
    facts = {
        "prompt_version": PROMPT_VERSION,
        "config": asdict(config),
        "index": index_identity(index.manifest),
        "reranked": index.reranker is not None,
        "questions": {file.name: sha256_of_files([file]) for file in files},
        "counts": {"train": _counted(train), "evaluation": _counted(held_out), "dropped": dict(dropped)},
        "seen_uids": sorted({row.uid for row in train if row.uid}),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, side in ((TRAIN, train), (EVALUATION, held_out)):
        replace_text(out / name, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in side))
    replace_json(out / ROWS, facts)
    return facts


def _product(index: HybridIndex, question: Question) -> Product | None:
    return next(filter(None, map(index.product, question.uids)), None)


def _contexts(
    index: HybridIndex, ranker: EvidenceRanker, questions: Sequence[Question], config: RowsConfig
) -> tuple[list[Query], list[tuple[Shown, ...]]]:
    queries = [index.query(question.question) for question in questions]
    found = find(index, ranker, queries, config.products)
    asked = list(zip(queries, found, strict=True))
    contexts = choose_context(ranker, asked, config.words_per_product, config.fitting_share)
    return queries, [context.shown for context in contexts]


def _row(
    question: Question,
    query: Query,
    context: Sequence[Shown],
    group_of: Mapping[str, str],
    product: Product | None,
    config: RowsConfig,
    draw: random.Random,
) -> Row | None:
    """Make a row; None where the right product is shown, and what answers is not."""
    number = next((n for n, shown in enumerate(context, 1) if shown.product.is_any_of(question.uids)), None)
    written = _completion(question, context, number)
    if written is None:
        return None
    completion, target = written
    if target == "answer" and draw.random() < config.memorise_share:
        context = [shown for n, shown in enumerate(context, 1) if n != number]
    return Row(
        build_messages(query.text, context),
        completion=completion,
        target=target,
        oracle=number is not None,
        group=group_of[product.uid] if product else question.question,
        uid=product.uid if product else "",
        **{name: getattr(question, name) for name in ("question", "answer", "kind", "lang", "noise", "maker")},
    )


def _completion(question: Question, context: Sequence[Shown], number: int | None) -> tuple[str, str] | None:
    """Return what is to be said and its kind; None where the product is shown and what it says of this is not."""
    if number is None:
        return NO_PRODUCT, "no_product"
    if question.kind == "unanswerable":
        return write_completion(number, NOT_SAID), "not_said"
    product, spans, _ = context[number - 1]
    said = max((_shared_run(question.evidence, text) for text in (*spans, product.title)), key=len)
    if len(said) < _LEAST_SHARED * len(question.evidence.split()):
        return None
    words = bare_end(" ".join(said[:_MOST_WORDS]))
    return write_completion(number, words, identifies=question.kind == "identify"), "answer"


def _shared_run(evidence: str, text: str) -> list[str]:
    """Return the longest run of words of a text that stands in the evidence too, case and outer punctuation aside."""
    written = text.split()
    wanted, given = (
        [word.strip(string.punctuation).lower() for word in words] for words in (evidence.split(), written)
    )
    match = SequenceMatcher(None, wanted, given, autojunk=False).find_longest_match()
    return written[match.b : match.b + match.size]


def _counted(rows: Sequence[Row]) -> dict[str, Any]:
    by = {name: dict(Counter(getattr(row, name) for row in rows)) for name in ("kind", "target", "lang", "maker")}
    return {"rows": len(rows), "right product shown": sum(row.oracle for row in rows)} | by
