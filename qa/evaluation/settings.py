"""What a run is asked to do."""

from __future__ import annotations

import difflib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa.evaluation.arms import DEFAULT_ARMS, Arm
from retrieval.adapter import AdapterIdentity, seen_products
from retrieval.errors import UsageError
from retrieval.models import DEFAULT_LANGUAGE_MODEL, find_adapter, resolve_model
from retrieval.question_file import Question, read_questions


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do.

    Attributes:
        questions: The question file.
        index: The index folder.
        out: The folder of answers and report.
        arms: Names of the arms to compare; by default those that are compared where none are named.
        limit: How many questions to ask, from the first; all by default.
        model: Hub id or folder of the language model.
        adapter: What tunes it: ``auto`` for the adapter that ships, or a folder.
        rerank: ``auto``, ``none`` or a file of weights, as in ``HybridIndex.open``.
        evidence: Folder of an evidence ranker; by default the one that ships.
        decision: A file that ``python -m qa calibrate`` wrote; by default the one that ships.
        seen: A JSON file with ``seen_uids``, the products that were tuned on; by default what the adapter tells.
        robustness: Whether to ask again with fewer words and with other numbers of products.
        compare: Folder of an earlier run to set beside this one.
        seed: Seed of resampling and of the removal of words.
    """

    questions: Path
    index: Path
    out: Path
    arms: tuple[str, ...] = DEFAULT_ARMS
    limit: int | None = None
    model: str = DEFAULT_LANGUAGE_MODEL
    adapter: str = "auto"
    rerank: str = "auto"
    evidence: Path | None = None
    decision: Path | None = None
    seen: Path | None = None
    robustness: bool = False
    compare: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without opening anything.

        Raises:
            UsageError: A number is out of range, or no arm is named.
        """
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit is {self.limit}; it must be at least 1.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; it must not be negative.")
        if not self.arms:
            raise UsageError("--arms names no arm.")

    def chosen_arms(self, registry: Mapping[str, Arm], questions: Sequence[Question]) -> dict[str, Arm]:
        """Return the arms to compare, in the order they were named.

        Raises:
            UsageError: No such arm, or one that fits none of the questions.
        """
        for name in self.arms:
            if name not in registry:
                close = difflib.get_close_matches(name, registry, n=1)
                meant = f" (did you mean {close[0]}?)" if close else ""
                raise UsageError(f"No arm {name!r}{meant}; there are: {', '.join(registry)}.")
            if not any(map(registry[name].fits, questions)):
                raise UsageError(f"Arm {name} fits none of the {len(questions)} questions; leave it out of --arms.")
        return {name: registry[name] for name in self.arms}

    def check_adapter(self) -> None:
        """Refuse tuned arms without an adapter, as they would be the untuned ones once more, or with a strange one.

        Raises:
            UsageError: There is no adapter for the model.
            AdapterMismatch: It belongs to another model or another prompt.
        """
        folder = find_adapter(self.adapter, self.model)
        if folder is None:
            raise UsageError(
                f"There is no adapter for {self.model}, so no tuned arm can run: name one with --adapter, or choose "
                "others with --arms."
            )
        AdapterIdentity.read(folder).check(resolve_model(self.model))

    def chosen_questions(self) -> list[Question]:
        """Return the questions to ask.

        Raises:
            UsageError: No such file, or a line that is not a question.
        """
        return read_questions(self.questions)[: self.limit]

    @property
    def told_seen_by(self) -> Path | None:
        """What names the products that were tuned on: the file, or else the adapter; None where neither does."""
        path = self.seen or find_adapter(self.adapter, self.model)
        return path if path and seen_products(path) is not None else None

    def seen_uids(self) -> Container[str] | None:
        """Return the products that were tuned on; None when neither the file nor the adapter tells.

        Raises:
            UsageError: No such file, or no ``seen_uids`` in it.
            AdapterMismatch: No finished adapter in the folder.
        """
        path = self.told_seen_by
        return seen_products(path) if path else None
