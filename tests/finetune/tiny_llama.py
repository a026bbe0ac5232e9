"""A random Llama of 64 dimensions with a byte-level tokenizer and the Llama-3.2 chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from finetune.recipe import Recipe

TEMPLATE = Path(trl.__file__).parent / "chat_templates" / "llama3_2.jinja"
SPECIAL = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
PRODUCTS = {
    "Ridge Two Tent": "Sleeps two people. Weighs 2.4 kg.",
    "Harbour Mug": "Holds 300 ml. Dishwasher safe.",
    "Desk Lamp 40": "Takes an E27 bulb. The cord is 1.8 m long.",
    "Moss Rug": "Wool, 120 by 180 cm. Vacuum only.",
}


def tiny_tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([text for product in PRODUCTS.items() for text in product], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
    )


def save_tiny_llama(folder: Path, seed: int = 0) -> Path:
    tokenizer = tiny_tokenizer()
    set_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(folder: Path, *, train: int = 24, evaluation: int = 6) -> Path:
    """Rows of unlike lengths about the products above."""
    folder.mkdir()
    products = list(PRODUCTS.items())
    for name, count in (("train", train), ("evaluation", evaluation)):
        rows = []
        for number in range(count):
            title, content = products[number % len(products)]
            shown = "\n".join(f"{title}: {content}" for title, content in products[: 1 + number % 3])
            rows.append(
                {
                    "prompt": [{"role": "user", "content": f"{shown}\nWhat of the {title}, number {number}?"}],
                    "completion": content.split(". ")[number % 2],
                    "oracle": number % 3 > 0,
                }
            )
        folder.joinpath(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def tiny_recipe(model: Path, **changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "model": str(model),
        "max_length": 512,
        "rank": 4,
        "alpha": 8,
        "batch_size": 2,
        "accumulation": 2,
        "tokens_per_pass": 400,
        "max_steps": 6,
        "learning_rate": 5e-3,
        "warmup_steps": 1,
        "log_steps": 1,
        "evaluate_steps": 2,
        "samples": 1,
    }
    return Recipe(**(settings | changes))
