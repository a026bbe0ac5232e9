"""What a run depends on, and what it ran on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qa.decision import Decision
from qa.evaluation.records import ANSWERS_FORMAT
from qa.evaluation.settings import Settings
from retrieval.adapter import AdapterIdentity
from retrieval.evidence import CrossEncoderRanker
from retrieval.files import sha256_of_files
from retrieval.index import HybridIndex
from retrieval.machine import processor, versions_of
from retrieval.models import ADAPTER_WEIGHTS, find_adapter, resolve_model, weights_sha256
from retrieval.prompt import PROMPT_VERSION
from retrieval.question_file import Question

_LIBRARIES = (
    "faiss-cpu",
    "matplotlib",
    "numpy",
    "openvino",
    "product-qa",
    "sentence-transformers",
    "tantivy",
    "torch",
    "transformers",
)


def facts_of(
    settings: Settings,
    questions: Sequence[Question],
    index: HybridIndex,
    ranker: CrossEncoderRanker,
    decision: Decision,
) -> dict[str, Any]:
    """Return what the answers and scores of a run depend on: two runs of equal facts can go on from one another."""
    asked = json.dumps([asdict(question) for question in questions], ensure_ascii=False)
    return {
        "answers_format": ANSWERS_FORMAT,
        "questions": {"count": len(questions), "sha256": hashlib.sha256(asked.encode()).hexdigest()},
        "index": {"products": len(index), "checksum": index.manifest["checksum"]},
        "catalogue_sha256": index.manifest["catalogue"]["sha256"],
        "encoder": index.encoder_identity.as_dict(),
        "model": {"id": settings.model, "weights_sha256": weights_sha256(resolve_model(settings.model))},
        "adapter": _adapter(find_adapter(settings.adapter, settings.model)),
        "reranker": index.reranker.weights if index.reranker else None,
        "evidence_ranker": {"sha256": ranker.sha256, "arithmetic": ranker.arithmetic},
        "decision": asdict(decision),
        "seen": sha256_of_files([settings.seen]) if settings.seen else None,
        "prompt_version": PROMPT_VERSION,
        "seed": settings.seed,
    }


def surroundings() -> dict[str, Any]:
    """Return command, versions and hardware."""
    return {
        "command": shlex.join(["python", "-m", "qa", *sys.argv[1:]]),
        "python": platform.python_version(),
        "versions": versions_of(_LIBRARIES),
        "hardware": {"processor": processor(), "cores": os.cpu_count(), "gpu": _gpu()},
    }


def _adapter(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {"id": "none", "sha256": None}
    AdapterIdentity.read(folder)  # says in one sentence what is wrong with it
    return {"id": folder.name, "sha256": sha256_of_files([folder / ADAPTER_WEIGHTS])}


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
