from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import TrainerCallback

from finetune import train as training
from finetune.base_model import BaseModel
from finetune.cli import main
from finetune.config import read_config
from finetune.fused_lora import fuse_lora
from finetune.masks import IGNORED, Example, read_examples
from finetune.recipe import Recipe
from finetune.train import train
from finetune.trainer import CompletionTrainer, make_trainer, split
from retrieval.adapter import AdapterIdentity
from retrieval.errors import UsageError
from retrieval.models import weights_sha256
from retrieval.prompt import PROMPT_VERSION
from tests.conftest import ROOT, require_models
from tests.finetune.tiny_llama import save_tiny_llama, tiny_recipe, write_rows

CONFIGS = ROOT / "finetune" / "configs"
PRESETS = ("cpu-smollm2", "gpu-llama-3.2-3b", "notebook", "notebook-alternative", "smoke")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "rows")


def examples_of(recipe: Recipe, rows: Path) -> tuple[list[Example], list[Example]]:
    return read_examples(BaseModel.find(recipe.model).tokenizer(), rows)


def assemble(recipe: Recipe, rows: Path, out: Path) -> CompletionTrainer:
    base = BaseModel.find(recipe.model)
    trainer = make_trainer(recipe, base, base.tokenizer(), *examples_of(recipe, rows), out)
    trainer.create_optimizer_and_scheduler(num_training_steps=10)
    return trainer


def lora(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def randomise(model: Any) -> None:
    """LoRA's B begins at zero, where A has no gradient."""
    torch.manual_seed(7)
    for name, parameter in lora(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)


def plain(recipe: Recipe, batch: dict[str, torch.Tensor], weights: dict[str, torch.Tensor]) -> tuple[float, Any]:
    """Loss and gradients by PEFT's and transformers' own forward over the whole padded batch."""
    settings = LoraConfig(task_type="CAUSAL_LM", r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear")
    model = get_peft_model(BaseModel.find(recipe.model).load("float32"), settings)
    model.load_state_dict(weights, strict=False)
    loss = model(**batch).loss
    loss.backward()
    return loss.item(), {name: parameter.grad for name, parameter in lora(model).items()}


@pytest.mark.parametrize("tokens_per_pass", [0, 1, 250, 10_000])
def test_a_step_has_the_loss_and_the_gradients_of_the_plain_one(
    model: Path, rows: Path, tmp_path: Path, tokens_per_pass: int
) -> None:
    recipe = tiny_recipe(model, tokens_per_pass=tokens_per_pass, accumulation=4)
    trainer = assemble(recipe, rows, tmp_path)
    randomise(trainer.model)
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(batch["labels"]) == recipe.rows_per_step
    weights = {name: parameter.detach().clone() for name, parameter in lora(trainer.model).items()}
    expected, gradients = plain(recipe, dict(batch), weights)

    loss = trainer.training_step(trainer.model, batch, (batch["labels"][:, 1:] != IGNORED).sum())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert set(gradients) == set(lora(trainer.model))
    for name, parameter in lora(trainer.model).items():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=1e-6)


def real_ids(batch: dict[str, torch.Tensor]) -> list[list[int]]:
    rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in rows]


def test_passes_hold_every_row_once_within_their_bound(model: Path, rows: Path, tmp_path: Path) -> None:
    trainer = assemble(tiny_recipe(model, accumulation=8), rows, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    passes = list(split(batch, rows=2, tokens=300))
    assert 1 < len(passes) < len(batch["labels"])
    assert all(part["input_ids"].numel() <= 300 or len(part["input_ids"]) == 1 for part in passes)
    assert sum(int(part["attention_mask"].sum()) for part in passes) == int(batch["attention_mask"].sum())
    split_up = [ids for part in passes for ids in real_ids(part)]
    assert sorted(split_up) == sorted(real_ids(batch))
    assert [len(part["labels"]) for part in split(batch, rows=3, tokens=0)] == [3, 3, 3, 3, 3, 1]


def test_the_evaluation_loss_is_the_mean_over_label_tokens(model: Path, rows: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(model, accumulation=1)
    trainer = assemble(recipe, rows, tmp_path)
    base, total, count = BaseModel.find(recipe.model).load("float32"), 0.0, 0
    for example in examples_of(recipe, rows)[1]:
        with torch.no_grad():
            loss = base(input_ids=torch.tensor([example.input_ids]), labels=torch.tensor([example.labels])).loss
        total, count = total + loss.item() * example.loss_tokens, count + example.loss_tokens
    assert trainer.evaluate()["eval_loss"] == pytest.approx(total / count, rel=1e-4)


def test_fused_lora_is_peft(model: Path) -> None:
    torch.manual_seed(1)
    settings = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=24, target_modules="all-linear")
    peft_model = get_peft_model(BaseModel.find(str(model)).load("float32"), settings)
    randomise(peft_model)
    ids = torch.randint(10, 200, (2, 30))

    def run() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        peft_model.zero_grad()
        logits = peft_model(input_ids=ids).logits
        logits.square().mean().backward()
        return logits.detach(), {name: parameter.grad.clone() for name, parameter in lora(peft_model).items()}

    logits, gradients = run()
    assert fuse_lora(peft_model) == 2 * 7
    fused_logits, fused_gradients = run()
    torch.testing.assert_close(fused_logits, logits, rtol=1e-4, atol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(fused_gradients[name], gradient, rtol=1e-3, atol=1e-6)


def test_layers_with_dropout_keep_pefts_forward(model: Path) -> None:
    settings = LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.1, target_modules="all-linear")
    assert fuse_lora(get_peft_model(BaseModel.find(str(model)).load("float32"), settings)) == 0


def test_training_learns_and_says_what_it_did(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    recipe, out = tiny_recipe(model, max_steps=12, learning_rate=2e-2, evaluate_steps=6), tmp_path / "adapter"
    (rows / "rows.json").write_text(json.dumps({"seen_uids": ["TENT", "MUG"]}))
    run = train(recipe, rows, out)
    seen = AdapterIdentity.read(out).seen()
    assert [uid in seen for uid in ("TENT", "MUG", "OAR")] == [True, True, False]
    losses = [entry["loss"] for entry in run["history"] if "loss" in entry]
    evaluations = [entry["eval_loss"] for entry in run["history"] if "eval_loss" in entry]
    assert len(losses) == 12
    assert losses[-1] < losses[0] - 0.2
    assert evaluations[-1] < evaluations[0]
    assert run["base_model"] == {"id": str(model), "weights_sha256": weights_sha256(model)}
    assert (run["prompt_version"], run["steps"], run["seed"]) == (PROMPT_VERSION, 12, recipe.seed)
    assert run["recipe"]["learning_rate"] == recipe.learning_rate
    assert run["resources"]["tokens"] > 0
    assert json.loads((out / "run.json").read_text()) == json.loads(json.dumps(run))
    AdapterIdentity.read(out).check(model)
    names = {path.name for path in out.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "loss.png", "samples.jsonl", "tensorboard"} <= names
    assert not names & {"checkpoints", "started.json", "training_args.bin"}
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [6, 12]
    with pytest.raises(UsageError, match="holds a finished adapter"):
        train(recipe, rows, out)


def test_the_command_prints_what_the_adapter_says_of_itself(
    model: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = tmp_path / "tiny.toml", tmp_path / "adapter"
    config.write_text(f'model = "{model}"\nmax_length = 512\nrank = 4\nsamples = 0\n', encoding="utf-8")
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    arguments = ["train", "--config", str(config), "--rows", str(rows), "--out", str(out), "--max-steps", "1", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "run.json").read_text())
    names = ("adapter_config.json", "adapter_model.safetensors", "run.json")
    places = [flushed.index((out / name).stat().st_ino) for name in names]
    assert places[-1] == max(places)  # run.json says that the others are whole


class Killed(Exception):
    pass


class KillAtStep3(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 3:
            raise Killed


def test_a_run_that_was_killed_goes_on_to_the_same_adapter(
    model: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(model, dropout=0.1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = train(recipe, rows, whole)

    def make_and_kill(*arguments: Any) -> CompletionTrainer:
        trainer = make_trainer(*arguments)
        trainer.add_callback(KillAtStep3())
        return trainer

    monkeypatch.setattr("finetune.trainer.make_trainer", make_and_kill)
    with pytest.raises(Killed):
        train(recipe, rows, killed)
    monkeypatch.undo()
    assert not (killed / "run.json").exists()
    with pytest.raises(UsageError, match="add --resume"):
        train(recipe, rows, killed)
    with pytest.raises(UsageError, match="begun with other learning_rate"):
        train(dataclasses.replace(recipe, learning_rate=1e-4), rows, killed, resume=True)
    run = train(recipe, rows, killed, resume=True)

    assert (run["resumed_from_step"], run["steps"]) == (2, 6)
    ours = [entry["loss"] for entry in run["history"] if "loss" in entry]
    assert ours == pytest.approx([entry["loss"] for entry in expected["history"] if "loss" in entry], rel=1e-4)
    weights, wanted = (load_file(folder / "adapter_model.safetensors") for folder in (killed, whole))
    assert weights.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_that_was_cut_off_is_not_resumed(model: Path, rows: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(model)
    training._begin(recipe, rows, tmp_path / "out", resume=False)
    for step, whole in ((2, True), (4, False)):
        folder = tmp_path / "out" / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if whole:
            (folder / "trainer_state.json").touch()
    found = training._begin(recipe, rows, tmp_path / "out", resume=True)
    assert found is not None
    assert found.name == "checkpoint-2"


def test_there_must_be_something_to_resume(model: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        train(tiny_recipe(model), rows, tmp_path / "none", resume=True)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        train(tiny_recipe(model), rows, tmp_path)
    with pytest.raises(UsageError, match=r"mine\.txt is a file, where a folder is to be"):
        train(tiny_recipe(model), rows, tmp_path / "mine.txt")


def test_rows_of_another_prompt_are_refused(model: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    (rows / "rows.json").write_text(json.dumps({"prompt_version": PROMPT_VERSION + 1}), encoding="utf-8")
    with pytest.raises(UsageError, match="prepare them again"):
        train(tiny_recipe(model), rows, tmp_path / "out")


def test_training_stops_when_evaluation_gets_no_better(model: Path, rows: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(model, max_steps=40, learning_rate=1e-12, evaluate_steps=2, patience=2, samples=0)
    run = train(recipe, rows, tmp_path / "out")
    assert run["steps"] == 6  # the best evaluation is the first, after 2 steps; two more are no better


def test_a_base_model_in_nf4_trains(model: Path, rows: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    run = train(
        tiny_recipe(model, quantize="nf4", optimizer="adamw_8bit", gradient_checkpointing=True), rows, tmp_path / "out"
    )
    losses = [entry["loss"] for entry in run["history"] if "loss" in entry]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0]
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "adapter_model.safetensors").values()} == {
        torch.float32
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_recipes(preset: str) -> None:
    path = CONFIGS / f"{preset}.toml"
    recipe = read_config(path, Recipe)
    assert set(tomllib.loads(path.read_text(encoding="utf-8"))) <= set(Recipe.__slots__)
    assert recipe.rows_per_step <= 16


def test_the_notebooks_recipe_is_kept() -> None:
    recipe = read_config(CONFIGS / "notebook.toml", Recipe)
    assert (recipe.rank, recipe.alpha, recipe.batch_size, recipe.accumulation) == (16, 16, 2, 4)
    assert (recipe.warmup_steps, recipe.max_steps, recipe.learning_rate, recipe.weight_decay) == (5, 60, 2e-4, 0.01)
    assert (recipe.schedule, recipe.optimizer, recipe.seed, recipe.max_length) == ("linear", "adamw_8bit", 3407, 2048)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rank": 0}, "rank is 0; it must be 1 or more"),
        ({"patience": -1}, "patience is -1; it must be 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be more than 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"target_modules": ()}, "target_modules is empty"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Recipe(**change)


def test_the_fsdp_configuration_is_accelerates() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(CONFIGS / "fsdp.yaml"))
    assert str(config.distributed_type).endswith("FSDP")
    assert config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"] == "LlamaDecoderLayer"


@pytest.mark.models
def test_the_embedded_model_trains(rows: Path, tmp_path: Path) -> None:
    require_models()
    recipe = dataclasses.replace(read_config(CONFIGS / "smoke.toml", Recipe), max_steps=2, samples=0)
    run = train(recipe, rows, tmp_path / "out")
    losses = [entry["loss"] for entry in run["history"] if "loss" in entry]
    assert len(losses) == 2
    assert all(0 < loss < 10 for loss in losses)
