"""A causal language model in the form that OpenVINO's own tools serve: openvino-genai and OpenVINO Model Server.

Keys and values are kept in the model's state between passes, so that it takes new tokens only:
https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-request/stateful-models.html
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import MissingExtra

WEIGHTS = "openvino_model.bin"
_MODEL, _TOKENIZER, _DETOKENIZER = "openvino_model.xml", "openvino_tokenizer.xml", "openvino_detokenizer.xml"
_INPUTS = 4
"""Before keys and values: tokens, mask, positions, and which row of the pass before each row goes on from."""


def check_openvino_genai() -> None:
    """Raise an error if openvino-genai is not installed.

    Raises:
        MissingExtra: It isn't.
    """
    if importlib.util.find_spec("openvino_genai") is None:
        raise MissingExtra('An export for OpenVINO needs openvino-genai: pip install "product-qa[export]".')


def save_openvino_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model with its tokenizer.

    Args:
        model: A transformers model with full attention in every layer, as Llama has, in float32.
        tokenizer: Its tokenizer.
        folder: Where ``openvino_model.xml`` and the rest are written.
    """
    import openvino
    from openvino_tokenizers import convert_tokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of branches that are taken alike for every input
        openvino.save_model(_converted(model), folder / _MODEL, compress_to_fp16=False)
    for converted, name in zip(
        convert_tokenizer(tokenizer, with_detokenizer=True), (_TOKENIZER, _DETOKENIZER), strict=True
    ):
        openvino.save_model(converted, folder / name)
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def complete_with_openvino(
    folder: Path, tokenizer: Any, prompts: Sequence[list[int]], max_new_tokens: int
) -> list[str]:
    """Complete prompts greedily with a model that ``save_openvino_model`` wrote, run by openvino-genai.

    Returns:
        The texts, special tokens left out.
    """
    import openvino
    import openvino_genai

    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}  # keys and values have 8 bits by default
    pipeline = openvino_genai.LLMPipeline(str(folder), "CPU", **exact)
    config = openvino_genai.GenerationConfig(max_new_tokens=max_new_tokens, eos_token_id=tokenizer.eos_token_id)
    texts = []
    for prompt in prompts:
        ids = np.array([prompt], dtype=np.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        tokens = pipeline.generate(inputs, config).tokens[0]
        texts.append(str(tokenizer.decode(tokens, skip_special_tokens=True)).strip())
    return texts


def _converted(model: Any) -> Any:
    """Convert a model; its state is empty at first, with as many rows as there are prompts."""
    import openvino
    import torch
    from openvino import opset13 as ops
    from openvino.passes import MakeStateful, Manager

    from retrieval.key_values import Past, key_values_shape

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            position_ids: torch.Tensor,
            beam_idx: torch.Tensor,
            past: list[torch.Tensor],
        ) -> tuple[torch.Tensor, ...]:
            cache = Past([one.index_select(0, beam_idx) for one in past])
            places = torch.arange(attention_mask.shape[1])
            causal = places[None, :] <= places[attention_mask.shape[1] - input_ids.shape[1] :][:, None]
            states = self.model.get_decoder()(
                input_ids=input_ids,
                position_ids=position_ids,
                attention_mask=causal[None, None] & attention_mask.bool()[:, None, None, :],
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            return (self.model.get_output_embeddings()(states), *cache.present)

    count, heads, size = key_values_shape(model.config)
    before, new = 2, 3
    example = {
        "input_ids": torch.ones(2, new, dtype=torch.long),
        "attention_mask": torch.ones(2, before + new, dtype=torch.long),
        "position_ids": torch.arange(before, before + new).repeat(2, 1),
        "beam_idx": torch.arange(2, dtype=torch.int32),
        "past": [torch.zeros(2, heads, before, size) for _ in range(count)],
    }
    with torch.inference_mode():
        graph = openvino.convert_model(Network().eval(), example_input=example)
    graph.outputs[0].get_tensor().set_names({"logits"})
    kept = {}
    for place, (past, present) in enumerate(zip(graph.inputs[_INPUTS:], graph.outputs[1:], strict=True)):
        which = f"{place // 2}.{('key', 'value')[place % 2]}"
        kept[f"past_key_values.{which}"] = f"present.{which}"
        past.get_tensor().set_names({f"past_key_values.{which}"})
        present.get_tensor().set_names({f"present.{which}"})
        past.get_node().set_partial_shape(openvino.PartialShape([-1, heads, -1, size]))
    graph.validate_nodes_and_infer_types()
    manager = Manager()
    manager.register_pass(MakeStateful(kept))
    manager.run_passes(graph)
    rows = ops.gather(ops.shape_of(graph.input("input_ids").get_node(), output_type="i64"), [0], 0)
    nothing = ops.broadcast(np.float32(0.0), ops.concat([rows, np.array([heads, 0, size])], 0))
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([nothing])
    graph.validate_nodes_and_infer_types()
    return graph
