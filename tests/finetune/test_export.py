from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.cli import main
from finetune.export import export
from finetune.openvino_model import complete_with_openvino
from finetune.progress import complete
from finetune.train import train
from retrieval.errors import AdapterMismatch, MissingExtra, UsageError
from tests.finetune.tiny_llama import save_tiny_llama, tiny_recipe, write_rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An adapter that changed its base model's answers, and the rows."""
    folder = tmp_path_factory.mktemp("trained")
    model, rows = save_tiny_llama(folder / "base"), write_rows(folder / "rows")
    train(tiny_recipe(model, max_steps=10, learning_rate=2e-2, samples=0), rows, folder / "adapter")
    return folder / "adapter", rows


def test_the_merged_model_answers_as_the_adapter_does(trained: tuple[Path, Path], tmp_path: Path) -> None:
    adapter, rows = trained
    facts = export(adapter, tmp_path / "merged", "merge", rows)
    assert facts["parity"]["prompts"] == 6
    assert facts["parity"]["equal"] == 6
    assert json.loads((tmp_path / "merged" / "export.json").read_text()) == facts
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").state_dict()
    base = AutoModelForCausalLM.from_pretrained(adapter.parent / "base").state_dict()
    assert merged.keys() == base.keys()
    assert {tensor.dtype for tensor in load_file(tmp_path / "merged" / "model.safetensors").values()} == {torch.float32}
    assert not torch.equal(*(weights["model.layers.0.mlp.up_proj.weight"] for weights in (merged, base)))
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").eos_token == "<|eot_id|>"


def test_the_export_for_gguf_is_in_float16(trained: tuple[Path, Path], tmp_path: Path) -> None:
    adapter, rows = trained
    facts = export(adapter, tmp_path / "out", "gguf-compatible", rows)
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float16}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["architectures"], config["dtype"]) == (["LlamaForCausalLM"], "float16")
    assert (tmp_path / "out" / "tokenizer.json").exists()
    assert facts["parity"]["equal"] >= 5


def test_the_export_for_openvino_answers_as_the_adapter_does(trained: tuple[Path, Path], tmp_path: Path) -> None:
    adapter, rows = trained
    facts = export(adapter, tmp_path / "out", "openvino", rows)
    assert (facts["parity"]["prompts"], facts["parity"]["equal"]) == (6, 6)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    prompts = [tokenizer(text).input_ids for text in ("What is it?", "Is the tent blue, or is it red?")]
    base = AutoModelForCausalLM.from_pretrained(adapter.parent / "base")
    tuned = complete_with_openvino(tmp_path / "out", tokenizer, prompts, 12)
    assert tuned != complete(base, tokenizer, prompts, 12)


def test_an_export_for_openvino_without_its_library_is_refused(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"product-qa\[export\]"):
        export(trained[0], tmp_path / "out", "openvino", trained[1])


def test_the_command_takes_the_base_model_of_a_recipe(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, rows = trained
    config, out = tmp_path / "recipe.toml", tmp_path / "merged"
    arguments = ["export", "--config", str(config), "--adapter", str(adapter), "--rows", str(rows), "--out", str(out)]
    config.write_text(f'model = "{save_tiny_llama(tmp_path / "other", seed=1)}"\n', encoding="utf-8")
    assert main([*arguments, "--merge"]) == 1
    assert "use the same base model" in capsys.readouterr().err
    config.write_text(f'model = "{shutil.copytree(adapter.parent / "base", tmp_path / "copy")}"\n', encoding="utf-8")
    assert main([*arguments, "--merge", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads((out / "export.json").read_text())
    assert facts["parity"]["equal"] == 6


def test_differences_are_told(trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, rows = trained
    said = iter(["a", "b", "c", "a", "x", "c"])
    monkeypatch.setattr("finetune.export._completions", lambda *_: [next(said) for _ in range(3)])
    monkeypatch.setattr("finetune.export.PARITY_PROMPTS", 3)
    parity = export(adapter, tmp_path / "out", "merge", rows)["parity"]
    assert (parity["prompts"], parity["equal"]) == (3, 2)
    assert [(entry["adapter"], entry["exported"]) for entry in parity["different"]] == [("b", "x")]


def test_a_failed_export_leaves_nothing(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("finetune.export.weights_sha256", fail)
    with pytest.raises(RuntimeError):
        export(trained[0], tmp_path / "out", "merge", trained[1])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_told(trained: tuple[Path, Path], tmp_path: Path) -> None:
    adapter, rows = trained
    with pytest.raises(UsageError, match="exists; give another --out"):
        export(adapter, tmp_path, "merge", rows)
    with pytest.raises(AdapterMismatch, match=r"No finished adapter"):
        export(rows, tmp_path / "out", "merge", rows)
