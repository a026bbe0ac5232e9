"""Models that measures ask: everything is computed in batches beforehand, each text once for all arms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from qa.evaluation.errors import EvaluationError
from qa.evaluation.measures.semantic import TokenVectors, greedy_match
from retrieval.encoder import Encoder, Vectors
from retrieval.models import quiet_model_libraries, resolve_model
from retrieval.question_file import Question

_BATCH = 16
T = TypeVar("T")
ShowProgress = Callable[[str, int, int | None], None]


class TokenEncoder(Protocol):
    """Embeds the tokens of texts in their context."""

    def embed(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return unit vectors and weights of each text's tokens."""


class LanguageModel(Protocol):
    """Tells how likely texts are."""

    def measure(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Return the perplexity of each text and its length in tokens."""


class ModelTools:
    """Answers the questions of measures from what ``prepare`` computed."""

    def __init__(self, encoder: Encoder, tokens: TokenEncoder, language: LanguageModel) -> None:
        """Take the models; nothing is computed yet."""
        self._encoder = encoder
        self._tokens = tokens
        self._language = language
        self._vectors: dict[str, Vectors] = {}
        self._token_vectors: dict[str, TokenVectors] = {}
        self._measured: dict[str, tuple[float, int]] = {"": (float("nan"), 0)}

    def prepare(self, answers: Sequence[str], questions: Sequence[Question], progress: ShowProgress) -> None:
        """Compute what measures will ask.

        Args:
            answers: Texts of answers.
            questions: Questions and references that answers are compared with.
            progress: Called with step, done and total.
        """
        said = {text for text in answers if text}
        compared = said | {question.answer for question in questions if question.answer}
        whole = compared | {question.question for question in questions}
        self._vectors |= _in_batches("encode", whole, self._encoder.encode_passages, progress)
        self._token_vectors |= _in_batches("match", compared, self._tokens.embed, progress)
        self._measured |= _in_batches("read", said, self._language.measure, progress)

    def cosine(self, one: str, other: str) -> float:
        """Return the cosine of two texts by the index's encoder."""
        return float(self._vectors[one] @ self._vectors[other])

    def token_match(self, candidate: str, reference: str) -> tuple[float, float, float]:
        """Return precision, recall and F1 of a greedy matching of token embeddings."""
        return greedy_match(self._token_vectors[candidate], self._token_vectors[reference])

    def perplexity(self, text: str) -> float:
        """Return the perplexity of a text under the untuned language model."""
        return self._measured[text][0]

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens of that model."""
        return self._measured[text][1]


def _in_batches(
    step: str, texts: Iterable[str], work: Callable[[Sequence[str]], Iterable[T]], progress: ShowProgress
) -> dict[str, T]:
    """Return what ``work`` gives for each text; texts of like length go together."""
    ordered = sorted(texts, key=lambda text: (len(text), text))
    done: dict[str, T] = {}
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        done |= zip(batch, work(batch), strict=True)
        progress(step, len(done), len(ordered))
    return done


class TransformerTokens:
    """The last hidden states of an encoder."""

    def __init__(self, name: str) -> None:
        """Load the encoder.

        Raises:
            ModelNotFound: It is nowhere to be had.
        """
        from transformers import AutoModel, AutoTokenizer

        quiet_model_libraries()
        folder = resolve_model(name)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModel.from_pretrained(folder).eval()

    def embed(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Return unit vectors and weights of each text's tokens; special tokens weigh nothing."""
        import torch

        batch = self._tokenizer(
            list(texts), padding=True, truncation=True, return_tensors="pt", return_special_tokens_mask=True
        )
        special = batch.pop("special_tokens_mask").numpy()
        with torch.inference_mode():
            hidden = self._model(**batch).last_hidden_state.float()
        unit = torch.nn.functional.normalize(hidden, dim=-1).numpy()
        there = batch["attention_mask"].numpy().astype(bool)
        return [
            (vectors[mask], (1 - marks[mask]).astype(np.float32))
            for vectors, marks, mask in zip(unit, special, there, strict=True)
        ]


class CausalPerplexity:
    """Perplexity of a text by a causal language model, without any context.

    PPL = exp(-1/n Σ log p(token_i | tokens before it)) (Jelinek et al., "Perplexity: a measure of the difficulty of
    speech recognition tasks", JASA 62, 1977). The first token is predicted from the model's start-of-text token.
    """

    def __init__(self, name: str) -> None:
        """Load the model.

        Raises:
            ModelNotFound: It is nowhere to be had.
            EvaluationError: Its tokenizer has no token that can begin a text.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        quiet_model_libraries()
        folder = resolve_model(name)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        start = self._tokenizer.bos_token_id
        self._start = self._tokenizer.eos_token_id if start is None else start
        if self._start is None:
            raise EvaluationError(f"Perplexity cannot be computed: the tokenizer of {name} has no start or end token.")
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        self._model: Any = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def measure(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Return the perplexity of each text and its length in tokens."""
        import torch

        ids = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        longest = max(map(len, ids))
        padded = torch.tensor([[self._start, *each, *[self._start] * (longest - len(each))] for each in ids])
        there = torch.tensor([[1] * (len(each) + 1) + [0] * (longest - len(each)) for each in ids])
        padded, there = padded.to(self._model.device), there.to(self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=padded, attention_mask=there).logits[:, :-1].float()
            said = padded[:, 1:]
            losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), said.flatten(), reduction="none")
        means = (losses.view_as(said) * there[:, 1:]).sum(dim=1) / there[:, 1:].sum(dim=1)
        return [(perplexity, len(each)) for perplexity, each in zip(means.exp().tolist(), ids, strict=True)]
