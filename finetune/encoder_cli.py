"""The commands ``encoder``, ``encoder-share`` and ``static``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from retrieval import console
from retrieval.models import DEFAULT_ENCODER


def add_parsers(commands: Any) -> None:
    """Register ``encoder``, ``encoder-share`` and ``static``."""
    encoder = commands.add_parser("encoder", help="tune an encoder on questions")
    encoder.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see finetune/configs")
    encoder.add_argument("--index", type=Path, required=True, help="index folder")
    encoder.add_argument(
        "--questions", type=Path, required=True, action="append", metavar="FILE", help="question file; may be repeated"
    )
    encoder.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the encoder is written")
    encoder.add_argument("--leave-out", metavar="K/N", help="leave out the questions of fold K of N")
    encoder.add_argument("--seed", type=int, help="instead of the configuration's")
    encoder.add_argument("--max-steps", type=int, help="instead of the configuration's")
    encoder.add_argument("--json", action="store_true", help="print what run.json says")
    encoder.set_defaults(run=_tune)

    share = commands.add_parser("encoder-share", help="write a tuned encoder with less of what it learned")
    share.add_argument("tuned", type=Path, metavar="FOLDER")
    share.add_argument("--share", type=float, required=True, help="share that is kept, such as 0.7")
    share.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the encoder is written")
    share.add_argument("--json", action="store_true", help="print what run.json says")
    share.set_defaults(run=_share)

    static = commands.add_parser("static", help="make a static encoder: faster by far, and less exact")
    static.add_argument("--index", type=Path, required=True, help="index folder, whose products are learned from")
    static.add_argument(
        "--questions", type=Path, default=[], action="append", metavar="FILE", help="question file; may be repeated"
    )
    static.add_argument("--teacher", default=DEFAULT_ENCODER, metavar="MODEL", help="encoder (default: %(default)s)")
    static.add_argument("--dimension", type=int, default=256, help="length of a vector (default: %(default)s)")
    static.add_argument("--steps", type=int, default=600, help="optimiser steps (default: %(default)s)")
    static.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    static.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the encoder is written")
    static.add_argument("--json", action="store_true", help="print what run.json says")
    static.set_defaults(run=_static)


def _tune(options: argparse.Namespace) -> None:
    from finetune.config import read_config
    from finetune.encoder import tune_encoder
    from finetune.encoder_config import EncoderConfig
    from finetune.mining import Fold
    from retrieval.index import HybridIndex

    given = {"seed": options.seed, "max_steps": options.max_steps}
    given = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(read_config(options.config, EncoderConfig), **given)
    leave_out = Fold.parse(options.leave_out) if options.leave_out else None
    index = HybridIndex.open(options.index, rerank="none")
    run = tune_encoder(index, options.questions, options.out, config, leave_out=leave_out)
    if options.json:
        console.print_json(run)
        return
    first, last = run["loss"][0][1], run["loss"][-1][1]
    learned, used = run["questions"]["learned_from"], run["resources"]
    print(
        f"{learned} questions, loss {first} → {last}, {used['seconds']} s, peak {used['memory_peak_gib']} GiB, "
        f"written to {options.out}"
    )


def _share(options: argparse.Namespace) -> None:
    from finetune.encoder import keep_share

    run = keep_share(options.tuned, options.out, options.share)
    if options.json:
        console.print_json(run)
        return
    print(f"{options.share:g} of what {options.tuned} learned, written to {options.out}")


def _static(options: argparse.Namespace) -> None:
    from finetune.static import StaticConfig, make_static
    from retrieval.index import HybridIndex

    config = StaticConfig(dimension=options.dimension, steps=options.steps, seed=options.seed)
    index = HybridIndex.open(options.index, rerank="none")
    run = make_static(index, options.questions, options.teacher, options.out, config)
    if options.json:
        console.print_json(run)
        return
    pairs = ", ".join(f"{count} {name}" for name, count in run["pairs"].items())
    print(f"{pairs}, loss {run['loss']}, {run['seconds']} s, written to {options.out}")
