"""The commands ``preflight``, ``train`` and ``export``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from retrieval import console


def add_parsers(commands: Any) -> None:
    """Register the commands with a parser's sub-commands."""
    preflight = commands.add_parser("preflight", help="look at rows before training: lengths, masks, time, memory")
    _takes_rows(preflight)
    preflight.add_argument("--json", action="store_true", help="print the report as JSON")
    preflight.set_defaults(run=_preflight)

    train = commands.add_parser("train", help="train a LoRA adapter on rows")
    _takes_rows(train)
    train.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the adapter")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint of a run that was cut off")
    train.add_argument("--max-steps", type=int, metavar="N", help="stop after N steps")
    train.add_argument("--seed", type=int, metavar="N", help="another seed than the configuration's")
    train.add_argument("--json", action="store_true", help="print what run.json says")
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="merge an adapter into its base model")
    export.add_argument("--adapter", type=Path, required=True, metavar="FOLDER", help="folder of the adapter")
    export.add_argument(
        "--config", type=Path, metavar="FILE", help="recipe that names the base model (default: as in the adapter)"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the model")
    kind = export.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--merge", dest="kind", action="store_const", const="merge", help="safetensors in float32 and tokenizer"
    )
    kind.add_argument(
        "--gguf-compatible",
        dest="kind",
        action="store_const",
        const="gguf-compatible",
        help="the same in float16, as llama.cpp's convert_hf_to_gguf.py takes it",
    )
    kind.add_argument(
        "--openvino",
        dest="kind",
        action="store_const",
        const="openvino",
        help="in float32, as openvino-genai and OpenVINO Model Server take it",
    )
    export.add_argument(
        "--rows", type=Path, required=True, metavar="FOLDER", help="rows whose prompts show that both answer alike"
    )
    export.add_argument("--json", action="store_true", help="print what export.json says")
    export.set_defaults(run=_export)


def _takes_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="recipe, as in finetune/configs")
    parser.add_argument("--rows", type=Path, required=True, metavar="FOLDER", help="folder that prepare wrote")


def _preflight(options: argparse.Namespace) -> None:
    from finetune.base_model import BaseModel
    from finetune.config import read_config
    from finetune.masks import read_examples
    from finetune.preflight import Preflight
    from finetune.recipe import Recipe

    recipe = read_config(options.config, Recipe)
    base = BaseModel.find(recipe.model)
    tokenizer = base.tokenizer()
    report = Preflight.of(recipe, base, *read_examples(tokenizer, options.rows))
    if options.json:
        console.print_json(report.facts())
    else:
        print(report.text(tokenizer))
    report.check()


def _train(options: argparse.Namespace) -> None:
    from finetune.config import read_config
    from finetune.recipe import Recipe
    from finetune.resources import leads
    from finetune.train import train

    recipe = read_config(options.config, Recipe)
    given = {"max_steps": options.max_steps, "seed": options.seed}
    recipe = dataclasses.replace(recipe, **{name: value for name, value in given.items() if value is not None})
    run = train(recipe, options.rows, options.out, resume=options.resume)
    used = run["resources"]
    if not leads():
        return
    if options.json:
        console.print_json(run)
        return
    print(
        f"{run['steps']} steps, {used['tokens']} tokens in {used['seconds']} s ({used['tokens_per_second']} tokens/s), "
        f"peak {used['memory_peak_gib']} GiB, written to {options.out}"
    )


def _export(options: argparse.Namespace) -> None:
    from finetune.config import read_config
    from finetune.export import export
    from finetune.recipe import Recipe

    model = read_config(options.config, Recipe).model if options.config else None
    facts = export(options.adapter, options.out, options.kind, options.rows, model=model)
    if options.json:
        console.print_json(facts)
        return
    parity = facts["parity"]
    print(f"{facts['kind']} written to {options.out}; {parity['equal']} of {parity['prompts']} completions are equal")
