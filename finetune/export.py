"""An adapter merged into its base model, and the proof that both answer alike."""

from __future__ import annotations

import gc
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from finetune.base_model import BaseModel
from finetune.masks import EVALUATION, TRAIN, encode_row, read_rows, spread
from finetune.openvino_model import WEIGHTS, check_openvino_genai, complete_with_openvino, save_openvino_model
from finetune.output import whole_or_nothing
from retrieval.adapter import AdapterIdentity
from retrieval.errors import UsageError
from retrieval.files import sha256_of_files
from retrieval.models import weights_sha256

Kind = Literal["merge", "gguf-compatible", "openvino"]
EXPORT = "export.json"
PARITY_PROMPTS = 40
_PARITY_TOKENS = 48
_AT_ONCE = 4


def export(adapter: Path, out: Path, kind: Kind, rows: Path, *, model: str | None = None) -> dict[str, Any]:
    """Merge an adapter into its unquantised base model, write the model, and compare the two.

    Args:
        adapter: Folder of the adapter.
        out: Folder of the model, which must not exist; ``export.json`` in it says how many completions are equal.
        kind: ``merge``: safetensors in float32, with tokenizer; ``gguf-compatible``: the same in
            float16, for llama.cpp's ``convert_hf_to_gguf.py``; ``openvino``: in float32, as openvino-genai and
            OpenVINO Model Server take it.
        rows: Folder with rows; the prompts of its ``evaluation.jsonl``, or else its ``train.jsonl``, are completed.
        model: Where the base model is to be had, as a folder or a hub id; by default as the adapter names it.

    Returns:
        What ``export.json`` says.

    Raises:
        AdapterMismatch: No adapter, or of another base model or prompt.
        ModelNotFound: The base model is nowhere to be had.
        MissingExtra: ``openvino`` without openvino-genai.
        UsageError: ``out`` exists, or there are no rows.
    """
    if kind == "openvino":
        check_openvino_genai()
    if out.exists():
        raise UsageError(f"{out} exists; give another --out.")
    identity = AdapterIdentity.read(adapter)
    base = BaseModel.find(model or identity.base_model)
    identity.check(base.folder)
    tokenizer = base.tokenizer()
    file = rows / EVALUATION if (rows / EVALUATION).exists() else rows / TRAIN
    examples = spread([encode_row(tokenizer, row) for row in read_rows(file)], PARITY_PROMPTS)
    prompts = [example.prompt_ids for example in examples]

    with whole_or_nothing(out) as unfinished:
        before = _merge(base, adapter, tokenizer, prompts, kind, unfinished)
        if kind == "openvino":
            after = complete_with_openvino(unfinished, tokenizer, prompts, _PARITY_TOKENS)
            weights = sha256_of_files([unfinished / WEIGHTS])
        else:
            after = _completions(BaseModel(str(unfinished), unfinished).load("float32").eval(), tokenizer, prompts)
            weights = weights_sha256(unfinished)
        pairs = zip(examples, before, after, strict=True)
        different = [
            {"row": example.row.place, "adapter": one, "exported": other}
            for example, one, other in pairs
            if one != other
        ]
        facts = {
            "kind": kind,
            "adapter": {key: identity.run[key] for key in ("base_model", "prompt_version", "index", "seed")},
            "weights_sha256": weights,
            "parity": {
                "prompts": len(prompts),
                "equal": len(prompts) - len(different),
                "max_new_tokens": _PARITY_TOKENS,
                "different": different,
            },
        }
        (unfinished / EXPORT).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return facts


def _merge(
    base: BaseModel, adapter: Path, tokenizer: Any, prompts: Sequence[list[int]], kind: Kind, out: Path
) -> list[str]:
    """Write the merged model; return what the adapter on its base model makes of the prompts."""
    import torch
    from peft import PeftModel

    model = PeftModel.from_pretrained(base.load("float32"), str(adapter)).eval()
    completions = _completions(model, tokenizer, prompts)
    # bfloat16, which most base models are stored in, rounds away part of what the adapter learned
    merged = model.merge_and_unload(safe_merge=True).to(torch.float16 if kind == "gguf-compatible" else torch.float32)
    if kind == "openvino":
        save_openvino_model(merged, tokenizer, out)
    else:
        merged.save_pretrained(out)
        tokenizer.save_pretrained(out)
    del model, merged
    gc.collect()  # the exported model is loaded next, and two must not be in memory at once
    return completions


def _completions(model: Any, tokenizer: Any, prompts: Sequence[list[int]]) -> list[str]:
    from finetune.progress import complete

    batches = [prompts[start : start + _AT_ONCE] for start in range(0, len(prompts), _AT_ONCE)]
    return [text for batch in batches for text in complete(model, tokenizer, batch, _PARITY_TOKENS)]
