from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from finetune.train import train
from tests.conftest import ROOT
from tests.finetune.tiny_llama import save_tiny_llama, tiny_recipe, write_rows

FSDP = ROOT / "finetune" / "configs" / "fsdp.yaml"


def losses(run: dict[str, Any]) -> list[float]:
    return [entry[key] for entry in run["history"] for key in ("loss", "eval_loss") if key in entry]


def test_two_processes_that_share_the_model_learn_what_one_does(tmp_path: Path) -> None:
    model, out = save_tiny_llama(tmp_path / "model"), tmp_path / "adapter"
    rows = write_rows(tmp_path / "rows", evaluation=8)  # as many for each process
    recipe = tiny_recipe(model, samples=0, max_steps=4)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in asdict(recipe).items()]
    (tmp_path / "recipe.toml").write_text("".join(lines), encoding="utf-8")
    config = yaml.safe_load(FSDP.read_text(encoding="utf-8")) | {"use_cpu": True, "mixed_precision": "no"}
    (tmp_path / "fsdp.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml")),
        *("--main_process_port", "0", str(Path(__file__).with_name("fsdp_on_cpu.py")), "train"),
        *("--config", str(tmp_path / "recipe.toml"), "--rows", str(rows), "--out", str(out)),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3_000:]

    shared = json.loads((out / "run.json").read_text(encoding="utf-8"))
    as_many_rows = replace(recipe, accumulation=2 * recipe.accumulation)
    alone = train(as_many_rows, rows, tmp_path / "alone")
    assert losses(shared) == pytest.approx(losses(alone), rel=1e-3)
    weights, expected = (load_file(folder / "adapter_model.safetensors") for folder in (out, tmp_path / "alone"))
    assert weights.keys() == expected.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-2, atol=1e-4)
