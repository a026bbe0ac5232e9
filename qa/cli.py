"""``python -m qa``: ask questions, and evaluate the answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from qa import options as shared
from qa.evaluation import cli as evaluation_cli
from retrieval import console

if TYPE_CHECKING:
    from qa.answers import Answer

_AT_ONCE = 32


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m qa", description="Answer shoppers' questions from a product index."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    ask = commands.add_parser("ask", help="answer a question, or a file of them")
    ask.add_argument("question", nargs="?")
    ask.add_argument("--batch", metavar="FILE", help="a file of questions, or - for standard input")
    ask.add_argument("--index", type=Path, help="index folder (default $PRODUCT_QA_INDEX, or indexes/sample)")
    ask.add_argument(
        "--model",
        help="hub id or folder, perhaps after openvino: or transformers:; http://HOST/v1#NAME; or 'extractive'",
    )
    ask.add_argument("--adapter", default="auto", help="folder of an adapter, or 'none' (default: the one that ships)")
    shared.add_decision(ask)
    shared.add_ranking(ask)
    ask.add_argument("-k", type=int, default=2, help="products looked at for an answer (default 2)")
    ask.add_argument("--product", metavar="UID", help="look at this product only")
    ask.add_argument("--min-confidence", type=float, metavar="P", help="decline answers less probably right than this")
    ask.add_argument("--no-retrieval", action="store_true", help="ask the model alone, unchecked, for comparison")
    ask.add_argument("--json", action="store_true", help="one JSON object a question")
    ask.set_defaults(run=_ask)
    evaluation_cli.add_parser(commands)

    calibrate = commands.add_parser("calibrate", help="fit when to answer and when to decline")
    calibrate.add_argument(
        "--questions", type=Path, required=True, action="append", metavar="FILE", help="question file; may be repeated"
    )
    calibrate.add_argument("--index", type=Path, required=True, help="index folder")
    calibrate.add_argument(
        "--elsewhere", type=Path, metavar="INDEX", help="another index, which holds none of the products asked about"
    )
    calibrate.add_argument(
        "--pages",
        type=Path,
        nargs=2,
        metavar=("INDEX", "FILE"),
        help="more questions, asked on their products' pages only, and the index of these",
    )
    shared.add_ranking(calibrate)
    calibrate.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the decision is written")
    calibrate.set_defaults(run=_calibrate)
    return console.run(parser, arguments)


def _ask(options: argparse.Namespace) -> None:
    questions = console.questions_of(options)

    from qa.engine import ProductQA
    from retrieval.models import DEFAULT_LANGUAGE_MODEL

    model = options.model or DEFAULT_LANGUAGE_MODEL
    pipeline = ProductQA.open(
        options.index,
        model,
        k=options.k,
        rerank=options.rerank,
        evidence=options.evidence,
        adapter=options.adapter,
        decision=options.decision,
    )
    for start in range(0, len(questions), _AT_ONCE):
        batch = questions[start : start + _AT_ONCE]
        answers = pipeline.answer_batch(
            batch,
            product=options.product,
            retrieval=not options.no_retrieval,
            min_confidence=options.min_confidence,
        )
        for question, answer in zip(batch, answers, strict=True):
            if options.json:
                console.print_json({"question": question} | answer.as_dict())
            else:
                _show(question, answer)


def _calibrate(options: argparse.Namespace) -> None:
    from qa.calibration import calibrate
    from qa.engine import ProductQA
    from qa.generators.choice import EXTRACTIVE
    from retrieval.question_file import read_questions

    questions = [question for file in options.questions for question in read_questions(file)]
    learned = {"rerank": options.rerank, "evidence": options.evidence}
    elsewhere = ProductQA.open(options.elsewhere, EXTRACTIVE, **learned) if options.elsewhere else None
    pages = None
    if options.pages:
        pages = ProductQA.open(options.pages[0], EXTRACTIVE, **learned), read_questions(options.pages[1])
    pipeline = ProductQA.open(options.index, EXTRACTIVE, **learned)
    decision = calibrate(pipeline, questions, elsewhere=elsewhere, pages=pages)
    decision.save(options.out)
    told = decision.facts["cross_validated"]
    print(
        f"{decision.facts['questions']} questions: status right {told['status_accuracy']:.2f}, answerable refused "
        f"{told['answerable_refused']:.2f}, others declined {told['others_declined']:.2f}; written to {options.out}"
    )


def _show(question: str, answer: Answer) -> None:
    from rich.console import Console
    from rich.text import Text

    screen = Console(highlight=False, soft_wrap=True)
    screen.print(Text.assemble(("\nQ  ", "dim"), (question, "bold")))
    screen.print(Text.assemble(("A  ", "dim"), answer.text))
    for citation in answer.citations:
        screen.print(Text.assemble(("   source ", "dim"), (citation.uid, "cyan"), f"  “{citation.quote}”"))
    for number, product in enumerate(answer.candidates, start=1):
        screen.print(Text.assemble((f"   ({number}) ", "dim"), (product.uid, "cyan"), f"  {product.title}"))
    if answer.product is not None and not answer.citations:
        screen.print(Text.assemble(("   product ", "dim"), (answer.product.uid, "cyan"), f"  {answer.product.title}"))
    told = f"{answer.status}, confidence {answer.confidence:.2f}, {answer.timings['total']:.0f} ms"
    screen.print(Text.assemble("   ", (" · ".join((told, *answer.notes)), "dim")))
