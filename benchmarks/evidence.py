"""Whether the words that answer are shown: the evidence ranker beside the lead of the description and shared words.

python -m benchmarks.evidence --index INDEX --questions FILE --name RESULT [--shopper FILE]

How often the right product comes first, by search and once near hits are read again. Of the questions whose product is
among the products shown: the share whose evidence is held by the title and the first span, and by all that is shown, at
60 words a product. And how well the ranker's log-odds tell questions that the description answers from others, as the
area under the ROC curve; with ``--shopper``, over questions asked of a known product, whose sentences people have
judged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.record import bootstrap_interval, write_result
from qa.evaluation.resampling import interval, resample_weights
from retrieval.context import PROMPT_PRODUCTS, WORDS_PER_PRODUCT, choose_context
from retrieval.evidence import NOTHING, CrossEncoderRanker, candidate
from retrieval.index import HybridIndex
from retrieval.query import Query, parse_question
from retrieval.question_file import Question, read_questions
from retrieval.rereading import find
from retrieval.schema import Product
from retrieval.snippet import candidates, take_best
from retrieval.text import terms

SEED = 0
ANSWERS = 2
"""The label of a sentence that answers, in the shoppers' questions."""


def by_shared_words(query: Query, product: Product) -> tuple[str, ...]:
    """Choose pieces by the weight of the question's terms that they hold."""
    pieces = candidates(query, product)[1:]
    return take_best(pieces, [query.coverage(set(terms(piece))) for piece in pieces], WORDS_PER_PRODUCT)


def lead(product: Product) -> tuple[str, ...]:
    """Take the first words of the description: as many as a span holds, then the rest."""
    words = product.content.split()[:WORDS_PER_PRODUCT]
    return " ".join(words[:35]), " ".join(words[35:])


def holds(evidence: str, title: str, spans: Sequence[str]) -> bool:
    """Tell whether title and spans hold every term of the evidence."""
    return set(terms(evidence)) <= set(terms(" ".join((title, *spans))))


def area(scores: Sequence[float], positive: Sequence[bool]) -> dict[str, Any]:
    """Return the area under the ROC curve with its bootstrap interval."""
    from sklearn.metrics import roc_auc_score

    weights = resample_weights(len(scores), SEED, resamples=1_000)
    resampled = np.asarray([roc_auc_score(positive, scores, sample_weight=row) for row in weights])
    return {
        "auroc": round(float(roc_auc_score(positive, scores)), 4),
        "interval_95": [round(edge, 4) for edge in interval(resampled)],
        "positive": sum(positive),
        "negative": len(positive) - sum(positive),
    }


def shown_evidence(index: HybridIndex, ranker: CrossEncoderRanker, questions: Sequence[Question]) -> dict[str, Any]:
    """Return, by kind and arm, how often the evidence is in the first span and in all that is shown."""
    queries = [index.query(question.question) for question in questions]
    found = find(index, ranker, queries, PROMPT_PRODUCTS)
    contexts = choose_context(ranker, list(zip(queries, found, strict=True)))
    held: dict[str, dict[str, list[tuple[bool, bool]]]] = {}
    for question, query, context in zip(questions, queries, contexts, strict=True):
        right = next((shown for shown in context.shown if shown.product.is_any_of(question.uids)), None)
        if right is None or not question.evidence:
            continue
        product = right.product
        arms = {"ranker": right.spans, "shared words": by_shared_words(query, product), "lead": lead(product)}
        for arm, spans in arms.items():
            both = (holds(question.evidence, product.title, some) for some in (spans[:1], spans))
            held.setdefault(question.kind, {}).setdefault(arm, []).append(tuple(both))  # type: ignore[arg-type]
    figures: dict[str, Any] = {}
    for kind, arms_of_kind in held.items():
        figures[kind] = {"questions": len(next(iter(arms_of_kind.values())))}
        for arm, pairs in arms_of_kind.items():
            first, shown = zip(*pairs, strict=True)
            figures[kind][arm] = {
                "first_span": round(fmean(first), 4),
                "shown": round(fmean(shown), 4),
                "shown_interval_95": bootstrap_interval(shown, SEED),
            }
            print(f"{kind:>10} {arm:>14}  first span {fmean(first):.2f}  shown {fmean(shown):.2f}")
    answered = [
        (question.kind, context.answers) for question, context in zip(questions, contexts, strict=True) if context.shown
    ]
    for negative in ("unanswerable", "absent"):
        some = [(kind == "fact", score) for kind, score in answered if kind in ("fact", negative)]
        if len({positive for positive, _ in some}) == 2:
            positive, scores = zip(*some, strict=True)
            figures[f"fact or {negative}"] = area(scores, positive)
            print(f"fact or {negative}: AUROC {figures[f'fact or {negative}']['auroc']:.3f}")
    return figures


def product_first(index: HybridIndex, ranker: CrossEncoderRanker, questions: Sequence[Question]) -> dict[str, Any]:
    """Return, by kind, how often the right product is the first hit, by search and once near hits are read again."""
    asked = [question for question in questions if question.uids]
    queries = [index.query(question.question) for question in asked]
    ways = {"search": index.search_queries(queries, 1), "read again": find(index, ranker, queries, 1)}
    figures: dict[str, Any] = {}
    for kind in sorted({question.kind for question in asked}):
        figures[kind] = {"questions": sum(question.kind == kind for question in asked)}
        for way, found in ways.items():
            first = [
                hits[0].product.is_any_of(question.uids)
                for question, hits in zip(asked, found, strict=True)
                if question.kind == kind
            ]
            figures[kind][way] = round(fmean(first), 4)
            print(f"{kind:>12}  product first, {way}: {fmean(first):.2f}")
    return figures


def read_judged(path: Path) -> list[dict[str, Any]]:
    """Read questions of known products with their judged sentences; those without a sentence are left out."""
    with path.open(encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["sentences"]]


def judged_sentences(ranker: CrossEncoderRanker, path: Path) -> dict[str, Any]:
    """Return how well sentences that answer, and questions that have one, are told from others."""
    rows = read_judged(path)
    of_sentences, of_questions = [], []
    for row in rows:
        texts = [NOTHING, *(sentence["text"] for sentence in row["sentences"])]
        asked = parse_question(row["question"]).english
        nothing, *scores = ranker.score([(asked, candidate(row["title"], text)) for text in texts]).tolist()
        labels = [sentence["label"] == ANSWERS for sentence in row["sentences"]]
        of_sentences += [(label, score - nothing) for label, score in zip(labels, scores, strict=True)]
        of_questions.append((any(labels), float(np.logaddexp.reduce(scores)) - nothing))
    figures = {}
    for name, pairs in (("sentence answers", of_sentences), ("listing answers", of_questions)):
        positive, scored = zip(*pairs, strict=True)
        figures[name] = area(scored, positive)
        print(f"{name}: AUROC {figures[name]['auroc']:.3f} {figures[name]['interval_95']}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the result file")
    parser.add_argument("--shopper", type=Path, help="questions of a known product, with judged sentences")
    options = parser.parse_args()
    ranker = CrossEncoderRanker()
    index, questions = HybridIndex.open(options.index), read_questions(options.questions)
    figures = {"product first": product_first(index, ranker, questions)} | shown_evidence(index, ranker, questions)
    data = [options.questions]
    if options.shopper:
        figures["known product"] = judged_sentences(ranker, options.shopper)
        data.append(options.shopper)
    write_result(options.name, figures, data, seed=SEED)


if __name__ == "__main__":
    main()
