"""What a training run shows while it runs: a bar and lines on stderr, sample completions.

Imports transformers: import this module inside functions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from finetune.masks import Example

_SAMPLE_TOKENS = 64


class Progress(TrainerCallback):  # type: ignore[misc]
    """A progress bar, and one line for each entry of the log, on stderr."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Open the bar, at the step a resumed run starts from."""
        from tqdm import tqdm

        if state.is_world_process_zero:
            self._bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", file=sys.stderr)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Write a line above the bar."""
        if self._bar is not None and logs:
            said = "  ".join(f"{name} {value:.4g}" for name, value in logs.items() if isinstance(value, float | int))
            self._bar.write(f"step {state.global_step}/{state.max_steps}  {said}", file=sys.stderr)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class Samples(TrainerCallback):  # type: ignore[misc]
    """Completes a few prompts greedily at each evaluation, and appends them to a file of JSON lines."""

    def __init__(self, tokenizer: Any, examples: Sequence[Example], path: Path) -> None:
        """Take the examples whose prompts are completed and the file to write."""
        self._tokenizer, self._examples, self._path = tokenizer, examples, path

    def on_evaluate(self, _args: Any, state: Any, _control: Any, model: Any = None, **_: Any) -> None:
        """Complete the prompts."""
        prompts = [example.prompt_ids for example in self._examples]
        completions = complete(model, self._tokenizer, prompts, _SAMPLE_TOKENS)
        with self._path.open("a", encoding="utf-8") as stream:
            for example, text in zip(self._examples, completions, strict=True):
                question = example.row.prompt[-1]["content"].rsplit("\n", 1)[-1]
                print(f"  {question}\n    wanted: {example.row.completion}\n    got:    {text}", file=sys.stderr)
                line = {"step": state.global_step, "row": example.row.place, "completion": text}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def complete(model: Any, tokenizer: Any, prompts: Sequence[list[int]], max_new_tokens: int) -> list[str]:
    """Complete prompts greedily, together, padded on the left.

    Returns:
        The texts, special tokens left out.
    """
    import torch

    if not prompts:
        return []
    longest = max(map(len, prompts))
    ids = torch.tensor([[tokenizer.pad_token_id] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            use_cache=True,
        )
    model.train(was_training)
    texts: list[str] = tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
    return [text.strip() for text in texts]
