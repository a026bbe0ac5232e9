"""Encoders: texts to vectors."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.batches import TOKENS_AT_ONCE, batches_by_length
from retrieval.errors import EncoderMismatch, ModelNotFound
from retrieval.models import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    DEFAULT_ENCODER,
    RUN_FILE,
    adapter_sha256,
    cpu_gains_from_bfloat16,
    quiet_model_libraries,
    resolve_model,
    weights_sha256,
)
from retrieval.openvino_runtime import ConvertedReader, convert_reader, converted_once, openvino_is_fastest
from retrieval.static import WordTokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
TUNED_FORMAT = "product-qa-encoder"
_FACTS = ("modules", "config", "config_sentence_transformers")
_CONVERTED = {"Transformer", "Pooling", "Normalize"}
_QUERIES_AT_ONCE = 64
_TEXTS_AT_ONCE = 1_024
_TOKENS_AT_ONCE_ON_GPU = 32_768


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """What makes vectors of two encoders comparable.

    Attributes:
        id: The name it was asked for by: a hub id or a folder.
        weights_sha256: SHA-256 of its weight files; of a tuned one, over that of its base and over its adapter.
        dimension: Length of a vector.
    """

    id: str
    weights_sha256: str
    dimension: int

    def check_same(self, built_with: EncoderIdentity) -> None:
        """Refuse an encoder whose vectors do not belong in an index.

        Raises:
            EncoderMismatch: The weights or the dimension differ; the id may, as a model can be moved.
        """
        if (self.weights_sha256, self.dimension) != (built_with.weights_sha256, built_with.dimension):
            raise EncoderMismatch(
                f"The index was built with encoder {built_with.id} (dimension {built_with.dimension}, weights "
                f"{built_with.weights_sha256[:12]}), not with {self.id} (dimension {self.dimension}, weights "
                f"{self.weights_sha256[:12]}); open it with the former or build it again."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the identity as plain JSON data."""
        return asdict(self)


class Encoder(Protocol):
    """Maps texts to unit vectors, so that an inner product is a cosine."""

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for questions."""

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for product texts."""


def same_vectors(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two indexes have comparable vectors of products, from the ``encoder`` entries of their manifests."""
    return all(one.get(key) == other.get(key) for key in ("weights_sha256", "dimension", "fields", "lead_words"))


def read_run(folder: Path, written_as: str = TUNED_FORMAT) -> dict[str, Any] | None:
    """Read how an encoder was tuned.

    Args:
        folder: Of a model.
        written_as: What ``run.json`` calls its format.

    Returns:
        What ``run.json`` says, under ``base`` the id and the hash of the model beneath the adapter; None for a model
        that is not an adapter.

    Raises:
        ModelNotFound: An adapter that ``python -m finetune`` did not write in this format, or not wholly.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        return None
    try:
        run: Any = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        if run["format"] == written_as and (folder / ADAPTER_WEIGHTS).is_file():
            return dict(run)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ModelNotFound(f"{folder} is an adapter, but not a whole {written_as} that python -m finetune wrote.")


def _is_plain_bert(folder: Path) -> bool:
    """Tell whether a sentence-transformers model is a BERT, pooled, and adds no words to what it is given."""
    try:
        told = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in _FACTS}
        kinds = {module["type"].rpartition(".")[2] for module in told["modules"]}
        prompts = told["config_sentence_transformers"].get("prompts") or {}
        return bool(told["config"]["model_type"] == "bert" and kinds <= _CONVERTED and not any(prompts.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


class SentenceTransformerEncoder:
    """A sentence-transformers model, or a LoRA adapter over one, in bfloat16 where the processor gains from it.

    A BERT is run by OpenVINO where that is fastest, else by PyTorch. Threads take turns: the model is loaded once, and
    tokenizers do not pad in two threads at a time.
    """

    def __init__(self, name: str = DEFAULT_ENCODER) -> None:
        """Find the model; its weights are loaded when the first text is encoded.

        Raises:
            ModelNotFound: The model, or the base of an adapter, is nowhere to be had.
            EncoderMismatch: The base is not the one that the adapter was tuned on.
        """
        self.name = name
        self.folder: Path = resolve_model(name)
        self._lock = RLock()
        run = read_run(self.folder)
        self._base = resolve_model(run["base"]["id"]) if run else self.folder
        self._tuned = run is not None
        if run and weights_sha256(self._base) != run["base"]["weights_sha256"]:
            raise EncoderMismatch(
                f"{name} was tuned on other weights ({run['base']['weights_sha256'][:12]}) than {self._base} holds; "
                "tune it again, or install the base that it was tuned on."
            )

    @cached_property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        with self._lock:
            dimension = self._converted.width if self._converted else self.model.get_embedding_dimension()
        return EncoderIdentity(self.name, self._weights_sha256, int(dimension or 0))

    @cached_property
    def _weights_sha256(self) -> str:
        sha256 = weights_sha256(self._base)
        if not self._tuned:
            return sha256
        return hashlib.sha256(f"{sha256}{adapter_sha256(self.folder)}".encode()).hexdigest()

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for questions."""
        with self._lock:
            if self._converted:
                return _unit(self._converted.read(texts))
            return self._unit(self.model.encode_query(list(texts), batch_size=_QUERIES_AT_ONCE, convert_to_tensor=True))

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for product texts.

        A text that is repeated is encoded once, and texts share a batch with others of their length, so that next to
        nothing is padded.
        """
        with self._lock:
            if self._words is not None:
                return self._mean_of_tokens(texts, self._words)
            numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
            vectors = self._encode_different(list(numbers))
        return vectors if len(vectors) == len(texts) else vectors[[numbers[text] for text in texts]]

    def _encode_different(self, texts: list[str]) -> Vectors:
        if self._converted:
            return _unit(self._converted.read(texts))
        vectors: Vectors = np.empty((len(texts), self.identity.dimension), dtype=np.float32)
        for batch in self._batches(texts):
            passages = [texts[number] for number in batch]
            encoded = self.model.encode_document(
                passages, batch_size=min(len(passages), _TEXTS_AT_ONCE), convert_to_tensor=True
            )
            vectors[batch] = self._unit(encoded)
        return vectors

    @cached_property
    def _converted(self) -> ConvertedReader | None:
        """The model as OpenVINO runs it; None where PyTorch does."""
        if not (_is_plain_bert(self._base) and openvino_is_fastest()):
            return None

        def convert(folder: Path) -> None:
            convert_reader(self._load("float32").cpu(), "sentence_embedding", folder)

        return ConvertedReader(converted_once([self._weights_sha256], convert))

    @cached_property
    def _words(self) -> WordTokenizer | None:
        """What makes tokens for static embeddings; None for other models."""
        if self._converted:
            return None
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        alone = (
            len(self.model) == 1 and isinstance(self.model[0], StaticEmbedding) and not any(self.model.prompts.values())
        )
        return WordTokenizer(self.model[0].tokenizer) if alone and WordTokenizer.fits(self.model[0].tokenizer) else None

    def _mean_of_tokens(self, texts: Sequence[str], tokenize: WordTokenizer) -> Vectors:
        import torch

        tokens, starts = (torch.from_numpy(array).to(self.model.device) for array in tokenize(texts))
        with torch.inference_mode():
            return self._unit(self.model[0].embedding(tokens, starts))

    def _batches(self, texts: Sequence[str]) -> Iterable[list[int]]:
        """Divide texts, by number, into batches of like length."""
        from transformers import PreTrainedTokenizerBase

        if not texts:
            return []
        if not isinstance(self.model.tokenizer, PreTrainedTokenizerBase):  # nothing that says how long a text is
            return [list(range(len(texts)))]
        tokens = self.model.tokenizer(list(texts), truncation=True, max_length=self.model.max_seq_length)["input_ids"]
        at_once = TOKENS_AT_ONCE if self.model.device.type == "cpu" else _TOKENS_AT_ONCE_ON_GPU
        return batches_by_length(list(map(len, tokens)), at_once)

    @cached_property
    def model(self) -> SentenceTransformer:
        """The model as PyTorch runs it, an adapter merged into it; loaded when it is first asked for."""
        import torch

        fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else cpu_gains_from_bfloat16()
        return self._load("bfloat16" if fast else "float32")

    def _load(self, precision: Literal["bfloat16", "float32"]) -> SentenceTransformer:
        import torch
        from sentence_transformers import SentenceTransformer

        quiet_model_libraries()
        dtype: Any = getattr(torch, precision)
        if not self._tuned:
            return SentenceTransformer(str(self.folder), model_kwargs={"dtype": dtype}, local_files_only=True)
        from peft import PeftModel

        # merged before it is rounded: what an adapter adds is smaller than a step of bfloat16
        model = SentenceTransformer(str(self._base), model_kwargs={"dtype": torch.float32}, local_files_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT's, about transformers
            PeftModel.from_pretrained(model.transformers_model, str(self.folder)).merge_and_unload()
        return model.to(dtype)

    def _unit(self, vectors: Any) -> Vectors:
        return _unit(vectors.float().cpu().numpy().reshape(-1, self.identity.dimension))


def _unit(array: Vectors) -> Vectors:
    unit: Vectors = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return unit
