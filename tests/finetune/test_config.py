from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from finetune.config import read_config
from finetune.encoder_config import EncoderConfig
from finetune.rows import Keep, RowsConfig
from retrieval.errors import UsageError
from tests.conftest import ROOT


@dataclass(frozen=True)
class Oven:
    degrees: int
    fan: bool = False


@dataclass(frozen=True)
class Bakery:
    flour: str = "rye"
    hours: float = 1.5
    loaves: int | None = None
    shape: Literal["round", "tin"] = "round"
    seeds: tuple[str, ...] = ()
    oven: Oven | None = None
    stove: Oven = Oven(100)

    def __post_init__(self) -> None:
        if self.hours < 0:
            raise UsageError(f"hours is {self.hours}; it must not be negative.")


def bakery(tmp_path: Path, text: str) -> Bakery:
    path = tmp_path / "bakery.toml"
    path.write_text(text)
    return read_config(path, Bakery)


def test_what_is_given_is_taken_and_the_rest_keeps_its_defaults(tmp_path: Path) -> None:
    text = 'hours = 2\nloaves = 3\nseeds = ["poppy", "flax"]\nshape = "tin"\n[stove]\ndegrees = 220\nfan = true\n'
    expected = Bakery(hours=2, loaves=3, seeds=("poppy", "flax"), shape="tin", stove=Oven(220, fan=True))
    assert bakery(tmp_path, text) == expected
    assert bakery(tmp_path, "") == Bakery()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('flower = "rye"', "unknown key flower (did you mean flour?)."),
        ("qqq = 1", "unknown key qqq (known are flour, hours, loaves, shape, seeds, oven, stove)."),
        ("[stove]\ndegree = 220", "unknown key stove.degree (did you mean stove.degrees?)."),
        ("[stove]\nfan = true", "a value is missing; not given: stove.degrees."),
        ("flour = 1", "flour is 1; it must be a text."),
        ('hours = "2"', "hours is '2'; it must be a number."),
        ("hours = true", "hours is True; it must be a number."),
        ("loaves = 1.5", "loaves is 1.5; it must be a whole number."),
        ("loaves = true", "loaves is True; it must be a whole number."),
        ('shape = "long"', "shape is 'long'; it must be one of round, tin."),
        ('seeds = ["poppy", 1]', "seeds is 1; it must be a text."),
        ('seeds = "poppy"', "seeds is 'poppy'; it must be a list, each item a text."),
        ("stove = 1", "stove is 1; it must be a table."),
        ("hours = -1", "hours is -1; it must not be negative."),
        ("hours = ", "is not TOML: "),
    ],
)
def test_what_does_not_fit_is_one_sentence_that_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=rf"bakery\.toml:? {re.escape(told)}") as error:
        bakery(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    bakery(tmp_path, "")
    with pytest.raises(UsageError, match=r"No configuration at .*bakry\.toml \(did you mean .*bakery\.toml\?\)"):
        read_config(tmp_path / "bakry.toml", Bakery)


def test_the_encoder_configuration_that_ships_says_the_defaults() -> None:
    assert read_config(ROOT / "finetune" / "configs" / "encoder-minilm.toml", EncoderConfig) == EncoderConfig()


def test_the_rows_of_what_ships_differ_in_what_declines_alone() -> None:
    configs = ROOT / "finetune" / "configs"
    usual, shipped = (read_config(configs / f"{name}.toml", RowsConfig) for name in ("rows", "rows-cpu-smollm2"))
    assert shipped == replace(usual, keep=Keep(unanswerable=0.0, absent=0.0)) != usual


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rank", 0),
        ("batch_size", 1),
        ("dropout", 1.0),
        ("merge_share", 0.0),
        ("merge_share", 1.1),
        ("warmup_steps", 240),
        ("hard_negatives", 31),
        ("learning_rate", 0.0),
    ],
)
def test_an_encoder_configuration_out_of_range_names_the_key(key: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{key} is {value}; it must be"):
        EncoderConfig(**{key: value})
