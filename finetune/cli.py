"""``python -m finetune``: questions, and what is learned from them."""

from __future__ import annotations

import argparse
from pathlib import Path

from finetune import encoder_cli, evidence_cli, training_cli
from finetune.questions import cli as questions_cli
from retrieval import console


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune", description="Make questions of a catalogue, and learn from questions."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    questions_cli.add_parser(commands)
    encoder_cli.add_parsers(commands)
    evidence_cli.add_parsers(commands)

    reranker = commands.add_parser("reranker", help="learn the weights of the reranker")
    reranker.add_argument("--index", type=Path, required=True, help="index folder")
    reranker.add_argument(
        "--questions", type=Path, required=True, action="append", metavar="FILE", help="question file; may be repeated"
    )
    reranker.add_argument("--only", metavar="K/N", help="learn from the questions of fold K of N alone")
    reranker.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the weights are written")
    reranker.add_argument("--json", action="store_true", help="print the weights as JSON")
    reranker.set_defaults(run=_reranker)

    prepare = commands.add_parser("prepare", help="make training rows of questions and what the index finds for them")
    prepare.add_argument("--config", type=Path, required=True, metavar="FILE", help="see finetune/configs/rows.toml")
    prepare.add_argument("--index", type=Path, required=True, help="index folder")
    prepare.add_argument(
        "--questions", type=Path, required=True, action="append", metavar="FILE", help="question file; may be repeated"
    )
    console.add_rerank(prepare)
    console.add_evidence(prepare)
    prepare.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the rows are written")
    prepare.add_argument("--json", action="store_true", help="print what rows.json says")
    prepare.set_defaults(run=_prepare)

    training_cli.add_parsers(commands)
    return console.run(parser, arguments)


def _reranker(options: argparse.Namespace) -> None:
    from finetune.mining import Fold
    from finetune.reranker import learn_reranker
    from retrieval.index import HybridIndex

    only = Fold.parse(options.only) if options.only else None
    reranker = learn_reranker(HybridIndex.open(options.index, rerank="none"), options.questions, only=only)
    reranker.save(options.out)
    if options.json:
        console.print_json(reranker.weights)
        return
    for name, weight in reranker.weights.items():
        print(f"{name:>26} {weight:+.3f}")
    loss = reranker.facts["loss"]
    print(f"{reranker.facts['questions']} questions, loss {loss['first']} → {loss['last']}, written to {options.out}")


def _prepare(options: argparse.Namespace) -> None:
    from finetune.config import read_config
    from finetune.rows import RowsConfig, prepare
    from retrieval.evidence import CrossEncoderRanker
    from retrieval.index import HybridIndex

    config = read_config(options.config, RowsConfig)
    ranker = CrossEncoderRanker(options.evidence)
    index = HybridIndex.open(options.index, rerank=options.rerank)
    facts = prepare(index, ranker, options.questions, config, options.out)
    if options.json:
        console.print_json(facts)
        return
    for side in ("train", "evaluation"):
        counts = facts["counts"][side]
        print(f"{side:>12} {counts['rows']:>6} rows, the right product shown in {counts['right product shown']}")
        print(f"{'':>12} {'':>6} {counts['target']}")
    print(f"     dropped {facts['counts']['dropped']}; written to {options.out}")
