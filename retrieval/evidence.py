"""Evidence ranking: which words of a product answer a question, and whether any do.

A cross-encoder reads the question together with each piece of the product's text (Nogueira and Cho, "Passage re-ranking
with BERT", 2019, arXiv:1901.04085). One more candidate, which says that the description doesn't say it, takes part:
pieces that stay below it don't answer, as in the no-answer option of SQuAD 2.0 (Rajpurkar et al., ACL 2018).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import read_run
from retrieval.errors import EncoderMismatch, ModelNotFound, nearest_path
from retrieval.files import sha256_of_files
from retrieval.models import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    cpu_gains_from_8_bits,
    cpu_gains_from_bfloat16,
    quiet_model_libraries,
    resolve_model,
    weights_sha256,
)
from retrieval.openvino_runtime import ConvertedReader, convert_reader, converted_once, openvino_is_fastest
from retrieval.text import terms

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

Pair = tuple[str, str]
"""A question in English, and a candidate as ``candidate`` writes it."""
EVIDENCE_FORMAT = "product-qa-evidence"
HEAD_WEIGHTS = "head.safetensors"
NOTHING = "The description does not say."
_SHIPPED = Path(__file__).parent / "tuned" / "evidence"
_TITLE_CHARACTERS = 80
_HOLDS_FROM = 0.6
_AT_ONCE = 8


class EvidenceRanker(Protocol):
    """Scores candidates for being what answers a question."""

    def score(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Return an array ``(n,)``: log-odds between candidates of the same question, up to a constant."""


def candidate(title: str, text: str) -> str:
    """Write a piece of a product's text as it is read beside a question: after its title, which tells whose it is."""
    return title if text == title else f"{title[:_TITLE_CHARACTERS]}: {text}"


def shares_of_evidence(evidence: str, pieces: Sequence[str]) -> list[float]:
    """Return how much of the evidence each piece holds, as shares that sum to 1; all 0 where none holds enough."""
    wanted, needed = " ".join(evidence.split()).lower().rstrip("."), set(terms(evidence))
    if not needed:
        return [0.0] * len(pieces)
    held = [1.0 if wanted in piece.lower() else len(needed & set(terms(piece))) / len(needed) for piece in pieces]
    best = max(held, default=0.0)
    kept = [share if share == best >= _HOLDS_FROM else 0.0 for share in held]
    return [share / (sum(kept) or 1.0) for share in kept]


def read_ranker_run(folder: Path) -> dict[str, Any]:
    """Read how an evidence ranker was tuned.

    Raises:
        ModelNotFound: There is none in this folder, or not a whole one.
    """
    run = read_run(folder, EVIDENCE_FORMAT)
    if run is None:
        raise ModelNotFound(f"No evidence ranker at {folder}{nearest_path(folder)}.")
    return run


def untrained_ranker(base: Path, max_tokens: int) -> CrossEncoder:
    """Return a cross-encoder with the weights of an encoder: the mean of its token vectors, and a linear score.

    Args:
        base: Folder of the encoder.
        max_tokens: Tokens of question and candidate that are read.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    quiet_model_libraries()
    fused = {"attention_probs_dropout_prob": 0.0}  # PyTorch has no fused attention with dropout for CPUs
    reader = Transformer(str(base), max_seq_length=max_tokens, config_kwargs=fused)
    width = reader.get_embedding_dimension()
    score = Dense(width, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    return CrossEncoder(modules=[reader, Pooling(width, pooling_mode="mean"), score], local_files_only=True)


class CrossEncoderRanker:
    """A LoRA adapter over an encoder, and a linear score; run by OpenVINO where that is fastest. Threads take turns."""

    def __init__(self, folder: Path | None = None) -> None:
        """Find its files; the weights are loaded when something is scored.

        Args:
            folder: What ``python -m finetune evidence`` wrote; by default the one that ships.

        Raises:
            ModelNotFound: It isn't there, or its base is nowhere to be had.
            EncoderMismatch: The base is not the one that it was tuned on.
        """
        folder = folder or _SHIPPED
        run = read_ranker_run(folder)
        self.folder = folder
        self._max_tokens: int = run["config"]["max_tokens"]
        self._base = resolve_model(run["base"]["id"])
        self._lock = RLock()
        if weights_sha256(self._base) != run["base"]["weights_sha256"]:
            raise EncoderMismatch(f"{folder} was tuned on other weights than {self._base} holds; tune it again.")

    @cached_property
    def sha256(self) -> str:
        """The hash of its files."""
        return sha256_of_files([self.folder / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD_WEIGHTS)])

    @property
    def arithmetic(self) -> str:
        """What it is computed with here: near scores may differ in order between one and another."""
        if openvino_is_fastest():
            return "OpenVINO, 8 bits" if cpu_gains_from_8_bits() else "OpenVINO"
        return "PyTorch, bfloat16" if cpu_gains_from_bfloat16() else "PyTorch, float32"

    def score(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Return an array ``(n,)``: log-odds between candidates of the same question, up to a constant."""
        if not pairs:
            return np.empty(0, np.float32)
        with self._lock:
            if self._converted:
                return self._converted.read(pairs)[:, 0]
            scores: NDArray[np.float32] = self._model.predict(
                list(pairs), batch_size=_AT_ONCE, activation_fn=self._identity, show_progress_bar=False
            )
        return scores

    @cached_property
    def _converted(self) -> ConvertedReader | None:
        """The model as OpenVINO runs it; None where PyTorch does."""
        if not openvino_is_fastest():
            return None

        in_8_bits = cpu_gains_from_8_bits()

        def convert(folder: Path) -> None:
            convert_reader(self._load().cpu(), "scores", folder, in_8_bits=in_8_bits)

        sources = [weights_sha256(self._base), self.sha256, f"{in_8_bits=}"]
        return ConvertedReader(converted_once(sources, convert))

    @cached_property
    def _identity(self) -> Any:
        import torch

        return torch.nn.Identity()

    @cached_property
    def _model(self) -> CrossEncoder:
        import torch

        return self._load().to(torch.bfloat16 if cpu_gains_from_bfloat16() else torch.float32)

    def _load(self) -> CrossEncoder:
        from peft import PeftModel
        from safetensors.torch import load_file

        model = untrained_ranker(self._base, self._max_tokens)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT's, about transformers
            PeftModel.from_pretrained(model.transformers_model, str(self.folder)).merge_and_unload()
        model[-1].load_state_dict(load_file(self.folder / HEAD_WEIGHTS))
        return model
