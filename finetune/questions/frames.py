"""Frames: what people put around the mention of a product."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def frames(name: str, lang: str = "english") -> list[str]:
    """Return the frames of a table of ``frames.toml``; ``{product}``, ``{a}`` and ``{the}`` stand for the mention."""
    found: list[str] = _tables()[lang][name]
    return found


def elsewhere() -> dict[str, dict[str, list[str]]]:
    """Return what shops do not list: ``items`` and how they are ``asked`` for, by sort."""
    found: dict[str, dict[str, list[str]]] = _tables()["elsewhere"]
    return found


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("frames.toml").read_text(encoding="utf-8"))
