from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune import training_cli
from finetune.base_model import BaseModel
from finetune.lengths import Lengths
from finetune.masks import read_examples
from finetune.preflight import Preflight
from finetune.recipe import Recipe
from retrieval.errors import UsageError
from tests.finetune.tiny_llama import save_tiny_llama, tiny_recipe, write_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("model"))


def look(recipe: Recipe, rows: Path) -> Preflight:
    base = BaseModel.find(recipe.model)
    return Preflight.of(recipe, base, *read_examples(base.tokenizer(), rows))


def test_lengths_are_those_of_the_rows(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    preflight = look(tiny_recipe(model), rows)
    train, held_out = read_examples(BaseModel.find(str(model)).tokenizer(), rows)
    assert (preflight.train.rows, preflight.train.tokens) == (24, sum(map(len, train)))
    assert preflight.train.total["1"] == max(map(len, train))
    assert preflight.train.completion["1"] == max(example.loss_tokens for example in train)
    assert preflight.evaluation is not None
    assert preflight.evaluation.tokens == sum(map(len, held_out))
    preflight.check()


def test_rows_that_would_be_cut_are_refused_by_name(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    train, _ = read_examples(BaseModel.find(str(model)).tokenizer(), rows)
    limit = sorted(map(len, train))[-2]
    longest = [example.row for example in train if len(example) > limit]
    preflight = look(tiny_recipe(model, max_length=limit), rows)
    with pytest.raises(UsageError, match=rf"longer than max_length = {limit}.*{longest[0].place}"):
        preflight.check()
    assert preflight.train.cut_oracles == tuple(row.place for row in longest if row.oracle)


def test_rows_without_labels_are_refused_by_name(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    with (rows / "train.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"prompt": [{"role": "user", "content": "And?"}], "completion": ""}) + "\n")
    with pytest.raises(UsageError, match=r"1 of 25 rows have no token that bears loss.*train.jsonl:25"):
        look(tiny_recipe(model), rows).check()


def test_no_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="no rows to train on"):
        Lengths.of([], 100).check(100)


def test_the_report_marks_what_bears_loss(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    preflight = look(tiny_recipe(model), rows)
    text = preflight.text(BaseModel.find(str(model)).tokenizer())
    assert len(preflight.shown) == 3
    for example in preflight.shown:
        assert f"⟦{example.row.completion}<|eot_id|>⟧" in text
    assert "[-100, -100, -100, " in text
    assert "24 rows" in text


def test_the_estimate_grows_with_the_work(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    short = look(tiny_recipe(model, max_steps=6), rows).estimate
    long = look(tiny_recipe(model, max_steps=600, tokens_per_pass=4_000), rows).estimate
    assert (short.steps, long.steps) == (6, 600)
    assert long.seconds > short.seconds
    assert long.memory > short.memory
    epochs = look(tiny_recipe(model, max_steps=0, epochs=2.0), rows).estimate
    assert (epochs.steps, epochs.tokens) == (12, 2 * look(tiny_recipe(model), rows).train.tokens)


def test_the_command_prints_json(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    rows = write_rows(tmp_path / "rows")
    config = tmp_path / "tiny.toml"
    config.write_text(f'model = "{model}"\nmax_length = 512\n', encoding="utf-8")
    parser = argparse.ArgumentParser()
    training_cli.add_parsers(parser.add_subparsers())
    options = parser.parse_args(["preflight", "--config", str(config), "--rows", str(rows), "--json"])
    options.run(options)
    told = json.loads(capsys.readouterr().out)
    assert told["train"]["rows"] == 24
    assert told["train"]["cut"] == 0
    assert len(told["examples"]) == 3
