from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval import models
from retrieval.build import build_index
from retrieval.encoder import RUN_FILE, TUNED_FORMAT, SentenceTransformerEncoder, read_run
from retrieval.errors import EncoderMismatch, ModelNotFound
from retrieval.index import HybridIndex
from retrieval.models import BASE_ENCODER, DEFAULT_ENCODER, resolve_model, weights_sha256
from tests.conftest import ROWS, WriteCatalogue, require_models

pytestmark = pytest.mark.usefixtures("by_pytorch")
TEXTS = ["a blue mug", "tent for two"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of random weights over the default encoder."""
    require_models()
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("encoders") / "shop"
    torch.manual_seed(1)
    base = resolve_model(BASE_ENCODER)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["query", "dense"], init_lora_weights=False)
    get_peft_model(AutoModel.from_pretrained(base), config).save_pretrained(folder)
    (folder / "README.md").unlink()
    run = {"format": TUNED_FORMAT, "base": {"id": BASE_ENCODER, "weights_sha256": weights_sha256(base)}}
    (folder / RUN_FILE).write_text(json.dumps(run))
    return folder


@pytest.fixture
def copied(adapter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(adapter, tmp_path / "copied"))


@pytest.mark.models
def test_an_adapter_is_laid_over_its_base(adapter: Path) -> None:
    from peft import PeftModel
    from sentence_transformers import SentenceTransformer

    tuned = SentenceTransformerEncoder(str(adapter))
    unmerged = SentenceTransformer(str(resolve_model(BASE_ENCODER)))
    unmerged.transformers_model.load_adapter(str(adapter))
    vectors = tuned.encode_queries(TEXTS)
    np.testing.assert_allclose(vectors, unmerged.encode(TEXTS, normalize_embeddings=True), atol=1e-2)
    assert ((vectors * SentenceTransformerEncoder(BASE_ENCODER).encode_queries(TEXTS)).sum(axis=1) < 0.95).all()
    assert not any(isinstance(module, PeftModel) for module in tuned.model.modules())


@pytest.mark.models
def test_an_index_is_opened_with_the_adapter_it_was_built_with_and_no_other(
    adapter: Path, copied: Path, tmp_path: Path, write_catalogue: WriteCatalogue
) -> None:
    build_index([write_catalogue(ROWS)], tmp_path / "index", encoder=SentenceTransformerEncoder(str(adapter)))
    opened = HybridIndex.open(tmp_path / "index")
    assert opened.manifest["encoder"]["id"] == str(adapter)
    assert opened.search("blue mug", 1)[0].product.uid == "MUG1"
    HybridIndex.open(tmp_path / "index", encoder=SentenceTransformerEncoder(str(copied)))
    with pytest.raises(EncoderMismatch, match="all-MiniLM-L6-v2"):
        HybridIndex.open(tmp_path / "index", encoder=SentenceTransformerEncoder(BASE_ENCODER))
    settings = json.loads((copied / "adapter_config.json").read_text())
    (copied / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 2}))
    with pytest.raises(EncoderMismatch, match="copied"):
        HybridIndex.open(tmp_path / "index", encoder=SentenceTransformerEncoder(str(copied)))


@pytest.mark.models
def test_the_encoder_that_ships_is_found_by_its_name_from_anywhere(
    copied: Path, tmp_path: Path, write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(models._SHIPPED_ENCODERS, DEFAULT_ENCODER, copied)
    build_index([write_catalogue(ROWS)], tmp_path / "index", encoder=SentenceTransformerEncoder(DEFAULT_ENCODER))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    opened = HybridIndex.open(tmp_path / "index")
    assert opened.manifest["encoder"]["id"] == DEFAULT_ENCODER
    assert opened.search("blue mug", 1)[0].product.uid == "MUG1"


@pytest.mark.models
def test_another_base_than_the_adapter_was_tuned_on_is_refused(copied: Path) -> None:
    run = json.loads((copied / RUN_FILE).read_text())
    run["base"]["weights_sha256"] = "0" * 64
    (copied / RUN_FILE).write_text(json.dumps(run))
    with pytest.raises(EncoderMismatch, match=r"copied was tuned on other weights \(000000000000\) than "):
        SentenceTransformerEncoder(str(copied))


@pytest.mark.models
@pytest.mark.parametrize("harm", ["run", "weights", "foreign", "garbled"])
def test_an_adapter_that_is_not_whole_is_one_sentence(copied: Path, harm: str) -> None:
    if harm == "weights":
        (copied / "adapter_model.safetensors").unlink()
    elif harm == "run":
        (copied / RUN_FILE).unlink()
    else:
        (copied / RUN_FILE).write_text('{"format": "another"}' if harm == "foreign" else "{")
    with pytest.raises(ModelNotFound, match=r"copied is an adapter, but not a whole product-qa-encoder"):
        SentenceTransformerEncoder(str(copied))


def test_a_model_that_is_no_adapter_has_no_run(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
