"""``python -m finetune``: learn from questions."""

from __future__ import annotations

import argparse
from pathlib import Path

from retrieval import console


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune", description="Learn from questions whose answer is known."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    reranker = commands.add_parser("reranker", help="learn the weights of the reranker")
    reranker.add_argument("--index", type=Path, required=True, help="index folder")
    reranker.add_argument(
        "--questions", type=Path, required=True, metavar="FILE", help="JSON lines: question, kind, uids"
    )
    reranker.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the weights are written")
    reranker.add_argument("--json", action="store_true", help="print the weights as JSON")
    reranker.set_defaults(run=_reranker)
    return console.run(parser, arguments)


def _reranker(options: argparse.Namespace) -> None:
    from finetune.reranker import learn_reranker
    from retrieval.index import HybridIndex

    reranker = learn_reranker(HybridIndex.open(options.index, rerank="none"), options.questions)
    reranker.save(options.out)
    if options.json:
        console.print_json(reranker.weights)
        return
    for name, weight in reranker.weights.items():
        print(f"{name:>26} {weight:+.3f}")
    loss = reranker.facts["loss"]
    print(f"{reranker.facts['questions']} questions, loss {loss['first']} → {loss['last']}, written to {options.out}")
