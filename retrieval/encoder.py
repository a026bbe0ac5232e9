"""Encoders: texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EncoderMismatch
from retrieval.models import (
    DEFAULT_ENCODER,
    cpu_gains_from_bfloat16,
    quiet_model_libraries,
    resolve_model,
    weights_sha256,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
_BATCH = 64


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """What makes vectors of two encoders comparable.

    Attributes:
        id: The name it was asked for by: a hub id or a folder.
        weights_sha256: SHA-256 of its weight files.
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


class SentenceTransformerEncoder:
    """A sentence-transformers model, in bfloat16 where the processor gains from it.

    Threads take turns: the model is loaded once, and tokenizers do not pad in two threads at a time.
    """

    def __init__(self, name: str = DEFAULT_ENCODER) -> None:
        """Find the model; its weights are loaded when the first text is encoded.

        Raises:
            ModelNotFound: The model is nowhere to be had.
        """
        self.name = name
        self.folder: Path = resolve_model(name)
        self._lock = RLock()

    @cached_property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        with self._lock:
            dimension = self._model.get_embedding_dimension()
        return EncoderIdentity(self.name, weights_sha256(self.folder), int(dimension or 0))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for questions."""
        with self._lock:
            return self._unit(self._model.encode_query(list(texts), batch_size=_BATCH, convert_to_tensor=True))

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return an array ``(n, dimension)`` of unit vectors for product texts."""
        with self._lock:
            return self._unit(self._model.encode_document(list(texts), batch_size=_BATCH, convert_to_tensor=True))

    @cached_property
    def _model(self) -> SentenceTransformer:
        import torch
        from sentence_transformers import SentenceTransformer

        quiet_model_libraries()
        fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else cpu_gains_from_bfloat16()
        dtype = torch.bfloat16 if fast else torch.float32
        return SentenceTransformer(str(self.folder), model_kwargs={"dtype": dtype}, local_files_only=True)

    def _unit(self, vectors: Any) -> Vectors:
        array: Vectors = vectors.float().cpu().numpy().reshape(-1, self.identity.dimension)
        unit: Vectors = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return unit
