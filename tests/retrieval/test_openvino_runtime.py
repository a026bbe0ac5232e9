from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qa.generators.openvino_lm import OpenVINOGenerator
from retrieval import encoder as encoders
from retrieval.encoder import SentenceTransformerEncoder
from retrieval.errors import MissingExtra
from retrieval.evidence import NOTHING, CrossEncoderRanker
from retrieval.index import HybridIndex
from retrieval.machine import has_gpu
from retrieval.models import BASE_ENCODER, cpu_gains_from_bfloat16, resolve_model
from retrieval.openvino_runtime import converted_once, openvino_is_fastest
from tests.conftest import ROOT, require_models

pytest.importorskip("openvino")
TEXTS = ["mug", "", "A tent for two, <b>green</b> [SEP]", "word " * 400, "日本語 mug", "mug"]


@pytest.fixture
def here() -> None:
    require_models()
    if not openvino_is_fastest():
        pytest.skip("there is a GPU, on which PyTorch is faster")


@pytest.mark.models
@pytest.mark.usefixtures("here", "in_float32")
def test_vectors_and_scores_are_those_of_pytorch(request: pytest.FixtureRequest) -> None:
    pairs = [("how heavy is it?", text) for text in (*TEXTS, f"Tent: {NOTHING}", "Tent: It weighs 2 kg.")]
    encoder, ranker = SentenceTransformerEncoder(), CrossEncoderRanker()
    converted = encoder.encode_passages(TEXTS), encoder.encode_queries(TEXTS), ranker.score(pairs)
    identity = encoder.identity
    request.getfixturevalue("by_pytorch")
    encoder, ranker = SentenceTransformerEncoder(), CrossEncoderRanker()
    own = encoder.encode_passages(TEXTS), encoder.encode_queries(TEXTS), ranker.score(pairs)
    for one, other in zip(converted, own, strict=True):
        assert one == pytest.approx(other, abs=0.05 if cpu_gains_from_bfloat16() else 1e-4)
    assert encoder.identity == identity


@pytest.mark.models
@pytest.mark.usefixtures("here", "in_float32")
def test_scores_in_8_bits_are_near_those_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("It weighs 2 kg.", "The poles are made of aluminium.", "For two people, green.")
    pairs = [("how heavy is it?", f"Tent: {text}") for text in said]
    exact = CrossEncoderRanker().score(pairs)
    monkeypatch.setattr("retrieval.evidence.cpu_gains_from_8_bits", lambda: True)
    near = CrossEncoderRanker().score(pairs)
    assert 0 < np.abs(near - exact).mean() < 0.1 * exact.std()
    assert near.argmax() == exact.argmax() == 0


@pytest.mark.models
@pytest.mark.usefixtures("here")
def test_a_question_is_answered_without_importing_pytorch(sample_index: HybridIndex) -> None:
    ask = f"""
import sys, qa
pipeline = qa.ProductQA.open({str(sample_index.folder)!r})
answer = pipeline.answer("the ceramic fountain for cats, how much water does it hold?")
print(answer.status, bool(answer.tokens), {{"torch", "transformers"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "answered True set()"


@pytest.mark.models
def test_only_a_bert_that_adds_no_words_is_converted(tmp_path: Path) -> None:
    require_models()
    folder = tmp_path / "model"
    shutil.copytree(resolve_model(BASE_ENCODER), folder)
    assert encoders._is_plain_bert(folder)
    for name, change in (
        ("config_sentence_transformers", {"prompts": {"query": "query: "}}),
        ("config", {"model_type": "modernbert"}),
        ("modules", [{"type": "sentence_transformers.models.Dense"}]),
    ):
        path = folder / f"{name}.json"
        before = path.read_text()
        path.write_text(json.dumps(change))
        assert not encoders._is_plain_bert(folder)
        path.write_text(before)
    (folder / "modules.json").unlink()
    assert not encoders._is_plain_bert(folder)


def test_openvino_that_is_not_installed_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"OpenVINO is not installed; run: pip install 'product-qa\[openvino\]'"):
        OpenVINOGenerator()


def test_a_model_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT_QA_CACHE", str(tmp_path))
    made = []

    def convert(folder: Path) -> None:
        made.append(folder)
        (folder / "model.xml").write_text("a model")

    folders = [converted_once(sources, convert) for sources in (["a", "b"], ["a", "b"], ["a", "c"])]
    assert [(folder / "model.xml").read_text() for folder in folders] == ["a model"] * 3
    assert folders[0] == folders[1] != folders[2]
    assert len(made) == 2


def test_pytorch_is_asked_for_a_gpu_only_where_there_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("retrieval.machine.sys.platform", "linux")
    monkeypatch.setattr("retrieval.machine.os.path.exists", lambda path: False)
    assert not has_gpu()
    monkeypatch.setattr("retrieval.machine.os.path.exists", lambda path: path == "/dev/nvidiactl")
    assert has_gpu()
