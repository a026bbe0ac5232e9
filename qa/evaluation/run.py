"""An evaluation from questions to report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from qa.decision import Decision
from qa.evaluation.arms import ARMS, Arm
from qa.evaluation.asking import OpenedPipelines, Pipelines, ask
from qa.evaluation.comparisons import compare_arms
from qa.evaluation.conditions import MAIN, harder
from qa.evaluation.earlier import RESULTS, EarlierRun
from qa.evaluation.figures import FIGURES, MEASURES
from qa.evaluation.groups import EVERYTHING, check_products, groups_of, which_are_seen
from qa.evaluation.identity import facts_of, surroundings
from qa.evaluation.journal import open_journal
from qa.evaluation.measures.case import Measure
from qa.evaluation.records import AS_ASKED
from qa.evaluation.report.write import check_extra, write_report
from qa.evaluation.robustness import curves
from qa.evaluation.scoring import score_records, tables_of
from qa.evaluation.settings import Settings
from qa.evaluation.tools import CausalPerplexity, ModelTools, ShowProgress, TransformerTokens
from retrieval.context import PROMPT_PRODUCTS
from retrieval.evidence import CrossEncoderRanker
from retrieval.files import replace_text
from retrieval.index import HybridIndex
from retrieval.models import BASE_ENCODER

DIFFERENCES = "differences.jsonl"


def evaluate(
    settings: Settings,
    *,
    progress: ShowProgress = lambda *_: None,
    registry: Mapping[str, Arm] = ARMS,
    measures: Sequence[Measure] = MEASURES,
    pipelines: Pipelines | None = None,
    tools: ModelTools | None = None,
) -> dict[str, Any]:
    """Compare arms on questions whose answer is known, and write answers, figures and report to a folder.

    A run that was cut off goes on where it stopped when it is started again with the same settings.

    Args:
        settings: What to do.
        progress: Called with step, done and total.
        registry: The arms there are, by name.
        measures: What answers are scored with.
        pipelines: What arms run on; by default opened from the settings.
        tools: Models of the measures; by default those of the index and the settings.

    Returns:
        What ``results.json`` holds.

    Raises:
        UsageError: A setting is wrong, or a question names a product that the index does not hold.
        EvaluationError: A figure cannot be computed, or the folder holds another run.
        MissingExtra: What draws the report is not installed.
    """
    check_extra()
    began = perf_counter()
    questions = settings.chosen_questions()
    arms = settings.chosen_arms(registry, questions)
    earlier = EarlierRun.read(settings.compare) if settings.compare else None
    index = HybridIndex.open(settings.index, rerank=settings.rerank)
    ranker, decision = CrossEncoderRanker(settings.evidence), Decision.read(settings.decision)
    check_products(questions, index.product)
    seen = which_are_seen(questions, settings.seen_uids())
    facts = facts_of(settings, questions, index, ranker, decision)

    if pipelines is None and any(arm.reader == "tuned" for arm in arms.values()):
        settings.check_adapter()

    with open_journal(settings.out, facts) as journal:
        opened = pipelines or OpenedPipelines(index, ranker, decision, settings.model, settings.adapter)
        conditions = harder(PROMPT_PRODUCTS, settings.seed) if settings.robustness else []
        records = ask(arms, [MAIN, *conditions], questions, opened, journal, seen=seen, progress=progress)
        tools = tools or ModelTools(index.encoder, TransformerTokens(BASE_ENCODER), CausalPerplexity(settings.model))
        tools.prepare([record.given.text for record in records], questions, progress)
        scores = score_records(records, arms, measures, index.product, tools)
        journal.finish(zip(records, scores, strict=True))

    tables = tables_of(records, scores, len(questions))
    main = tables[AS_ASKED]
    groups = groups_of(questions, seen)
    estimates, differences = compare_arms(main, FIGURES, groups, settings.seed, progress)
    told = [estimate.as_dict() for estimate in estimates]
    results: dict[str, Any] = {
        "facts": facts,
        **surroundings(),
        "took": {"seconds": round(perf_counter() - began), "answers": len(records), "of_them_anew": journal.added},
        "arms": {name: {"about": arm.about, "asked": int(main[name].asked.sum())} for name, arm in arms.items()},
        "groups": {group: len(rows) for group, rows in groups.items()},
        "seen": {
            **{name: seen.count(value) for name, value in (("seen", True), ("unseen", False), ("not known", None))},
            "told_by": settings.told_seen_by.name if settings.told_seen_by else "nothing",
        },
        "estimates": told,
        "differences": [each.as_dict() for each in differences if each.group == EVERYTHING],
        "robustness": curves(tables, arms, conditions, PROMPT_PRODUCTS, settings.seed),
        "comparison": earlier.beside(main, facts, told, settings.seed) if earlier else None,
    }
    replace_text(settings.out / DIFFERENCES, "".join(json.dumps(each.as_dict()) + "\n" for each in differences))
    write_report(settings.out, results, main, list(zip(records, scores, strict=True)))
    replace_text(settings.out / RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return results
