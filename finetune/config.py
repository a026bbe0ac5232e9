"""Configurations: TOML files read into frozen dataclasses, strictly."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from retrieval.errors import UsageError, nearest_path

Config = TypeVar("Config")


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read a TOML file into a dataclass; keys that are not given keep the dataclass's defaults.

    Args:
        path: The file: one flat table, or keys that stand for dataclasses of their own as sub-tables.
        kind: The dataclass. Its fields are of type bool, int, float, str, ``Literal``, ``tuple[X, ...]`` of those, one
            of them or None, or another dataclass.

    Raises:
        UsageError: No such file, not TOML, a key that the dataclass lacks (the message names the nearest), a value of
            another type, a key without default that is not given, or whatever the dataclass itself refuses.
    """
    if not path.is_file():
        raise UsageError(f"No configuration at {path}{nearest_path(path)}.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    return _filled(kind, table, f"{path}: ", "")


def _filled(kind: type[Config], table: dict[str, Any], place: str, prefix: str) -> Config:
    types = get_type_hints(kind)
    for key in table:
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(types)}"
            raise UsageError(f"{place}unknown key {prefix}{key} ({hint}).")
    values = {key: _checked(value, types[key], place, f"{prefix}{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"{place}{error}") from error
    except TypeError as error:
        missing = [f"{prefix}{field.name}" for field in fields(kind) if field.name not in values]  # type: ignore[arg-type]
        raise UsageError(f"{place}a value is missing; not given: {', '.join(missing)}.") from error


def _checked(value: Any, wanted: Any, place: str, key: str) -> Any:
    """Return ``value`` as the type ``wanted``, lists as tuples, or refuse it."""
    if hasattr(wanted, "__dataclass_fields__") and isinstance(value, dict):
        return _filled(wanted, value, place, f"{key}.")
    if get_origin(wanted) is tuple and isinstance(value, list):
        return tuple(_checked(item, get_args(wanted)[0], place, key) for item in value)
    if _is(value, wanted):
        return value
    raise UsageError(f"{place}{key} is {value!r}; it must be {_said(wanted)}.")


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, UnionType):
        return any(_is(value, option) for option in get_args(wanted))
    if wanted is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if isinstance(wanted, type):
        return type(value) is wanted
    return value in get_args(wanted)  # a Literal


def _said(wanted: Any) -> str:
    if isinstance(wanted, UnionType):
        return " or ".join(_said(option) for option in get_args(wanted) if option is not NoneType)
    if get_origin(wanted) is tuple:
        return f"a list, each item {_said(get_args(wanted)[0])}"
    if hasattr(wanted, "__dataclass_fields__"):
        return "a table"
    if isinstance(wanted, type):
        return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[wanted]
    return f"one of {', '.join(map(str, get_args(wanted)))}"
