"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from retrieval import console


def add_ranking(parser: argparse.ArgumentParser) -> None:
    """Add what names learned parts of search and of ranking."""
    console.add_rerank(parser)
    console.add_evidence(parser)


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add what names a decision between answering and declining."""
    parser.add_argument("--decision", type=Path, metavar="FILE", help="what calibrate wrote (default: what ships)")
