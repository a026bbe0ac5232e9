"""The pipeline: question, search, prompt, model, check, answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from qa.answers import Answer, AnswerStream
from qa.conversation import Chat, ask_back, meant_by
from qa.decision import Decision
from qa.generators.base import Completion, Generator, Prompt
from qa.generators.choice import find_generator
from qa.generators.local import LocalGenerator
from qa.judging import Asked, judge, statements_of
from qa.looking import look
from qa.prompting import with_prompt
from retrieval.context import PROMPT_PRODUCTS
from retrieval.encoder import Encoder
from retrieval.errors import UsageError
from retrieval.evidence import CrossEncoderRanker, EvidenceRanker
from retrieval.index import HybridIndex
from retrieval.models import DEFAULT_LANGUAGE_MODEL
from retrieval.prompt import build_messages, read_completion
from retrieval.query import parse_question

DEFAULT_INDEX = "indexes/sample"
_BATCH = 8
_UNCHECKED = "Asked without retrieval: nothing supports these words."
_NOTHING = Completion("")
_LOG = logging.getLogger(__name__)


class ProductQA:
    """Answers questions from an index. Open one, keep it, share it between threads."""

    def __init__(
        self,
        index: HybridIndex,
        generator: Generator | None,
        *,
        ranker: EvidenceRanker | None = None,
        decision: Decision | None = None,
        k: int = PROMPT_PRODUCTS,
        max_prompt_tokens: int = 1_024,
        max_new_tokens: int = 48,
    ) -> None:
        """Compose a pipeline.

        Args:
            index: Where products are found.
            generator: The language model; None quotes the sentences that fit best instead.
            ranker: Chooses what is shown of a product; by default the one that ships.
            decision: Decides between answering and declining; by default the one that ships.
            k: Products looked at for an answer.
            max_prompt_tokens: Longest prompt; contexts shrink by whole spans until it fits.
            max_new_tokens: Longest answer.

        Raises:
            UsageError: A number is not positive.
        """
        for name, value in (("k", k), ("max_prompt_tokens", max_prompt_tokens), ("max_new_tokens", max_new_tokens)):
            if value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1.")
        self.index = index
        self.generator = generator
        self.ranker = ranker or CrossEncoderRanker()
        self.decision = decision or Decision.read(None)
        self.k = k
        self._max_prompt_tokens = max_prompt_tokens
        self._max_new_tokens = max_new_tokens

    @classmethod
    def open(
        cls,
        index: Path | str | None = None,
        model: str = DEFAULT_LANGUAGE_MODEL,
        *,
        k: int = PROMPT_PRODUCTS,
        encoder: Encoder | None = None,
        rerank: str = "auto",
        evidence: Path | None = None,
        adapter: Path | str = "auto",
        decision: Path | None = None,
        max_prompt_tokens: int = 1_024,
        max_new_tokens: int = 48,
    ) -> ProductQA:
        """Open an index and find a model; the weights are loaded at the first question.

        Args:
            index: Index folder; by default ``$PRODUCT_QA_INDEX``, or ``indexes/sample``.
            model: Hub id or folder of a causal language model, the address of an OpenAI-compatible server with the
                model's name after a ``#``, or ``extractive`` for none: see ``qa.generators.choice.find_generator``.
            k: Products looked at for an answer.
            encoder: The index's encoder, if it is not to be found by its id.
            rerank: ``auto``, ``none`` or a file of weights, as in ``HybridIndex.open``.
            evidence: Folder of an evidence ranker; by default the one that ships.
            adapter: ``auto`` takes the one that ships for this model, if there is one; ``none`` leaves the model
                untuned; anything else is the folder of an adapter. That its rows were retrieved from another index is
                logged: a warning, but for the one that ships, which is meant for other catalogues.
            decision: A file that ``python -m qa calibrate`` wrote; by default the one that ships. That it was fitted
                with another encoder is logged as a warning.
            max_prompt_tokens: Longest prompt.
            max_new_tokens: Longest answer.

        Raises:
            IndexStoreError: The index cannot be opened.
            ModelNotFound: The model is nowhere to be had.
            AdapterMismatch: The adapter belongs to another model, or to another version of the prompt.
            UsageError: An adapter is named for what cannot have one.
        """
        opened = HybridIndex.open(
            index or os.environ.get("PRODUCT_QA_INDEX") or DEFAULT_INDEX, encoder=encoder, rerank=rerank
        )
        generator, decided_by = find_generator(model, adapter), Decision.read(decision)
        tuned = generator.adapter if isinstance(generator, LocalGenerator) else None
        if tuned and (note := tuned.index_note(opened.manifest)):
            _LOG.log(logging.INFO if adapter == "auto" else logging.WARNING, note)
        if note := decided_by.encoder_note(opened.manifest["encoder"]):
            _LOG.warning(note)
        return cls(
            opened,
            generator,
            ranker=CrossEncoderRanker(evidence),
            decision=decided_by,
            k=k,
            max_prompt_tokens=max_prompt_tokens,
            max_new_tokens=max_new_tokens,
        )

    def warmup(self) -> None:
        """Load every model now rather than at the first question."""
        self.index.search("warm up", 1)
        self.ranker.score([("warm up", "warm up")])
        if self.generator is not None:
            self.generator.generate([Prompt(tuple(build_messages("warm up", None)))], 1)

    def answer(
        self,
        question: str,
        *,
        product: str | None = None,
        retrieval: bool = True,
        min_confidence: float | None = None,
        previous: Answer | None = None,
    ) -> Answer:
        """Answer a question.

        Args:
            question: As a shopper types it.
            product: uid of the product it is about, as on a product page; nothing else is looked at then.
            retrieval: False asks the model alone, unchecked: only for comparison.
            min_confidence: Decline answers that are less probably right, in [0, 1]; by default those below
                ``decision.threshold``, on a product's page those below a half.
            previous: The answer that this goes on from: a reply to what it asked back settles which product was meant,
                or is asked back again, and any other question is asked of its product. Where ``product`` is given, only
                that counts.

        Raises:
            QuestionError: The question is empty or too long.
            UsageError: No such product, ``min_confidence`` is no probability, or it or a product is given without
                retrieval.
            GenerationError: The model failed; this object stays usable.
        """
        if product is not None:
            previous = None
        if previous is not None and previous.candidates:
            meant = meant_by(self.index.query(question), previous.candidates)
            if len(meant) > 1:
                return replace(previous, text=ask_back(meant), candidates=meant)
            question, product = previous.question, meant[0].uid
        elif previous is not None and previous.product is not None:
            product = previous.product.uid
        return self.answer_batch([question], product=product, retrieval=retrieval, min_confidence=min_confidence)[0]

    def chat(self) -> Chat:
        """Begin a conversation, in which a question may go on from the one before."""
        return Chat(self)

    def answer_batch(
        self,
        questions: Sequence[str],
        *,
        product: str | None = None,
        retrieval: bool = True,
        min_confidence: float | None = None,
    ) -> list[Answer]:
        """Answer many questions, several at a time. See ``answer``."""
        if not retrieval:
            if product is not None or min_confidence is not None:
                raise UsageError("Without retrieval there is neither a product to look at nor a confidence.")
            return self._answer_without_retrieval(questions)
        return self.conclude(self.look(questions, product=product, min_confidence=min_confidence))

    def conclude(self, asked: Sequence[Asked]) -> list[Answer]:
        """Answer questions for which products were looked at already, with ``look``."""
        asked = self.prompted(asked)
        answers: list[Answer] = []
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            completions, spent = self.complete([each.prompt for each in batch if each.prompt])
            said = iter(completions)
            answers += [_concluded(each, next(said), spent) if each.prompt else _concluded(each) for each in batch]
        return answers

    def stream(self, question: str, *, product: str | None = None, min_confidence: float | None = None) -> AnswerStream:
        """Answer a question sentence by sentence, each checked before it is given out. See ``answer``."""
        asked = self.look([question], product=product, min_confidence=min_confidence)
        return AnswerStream(self._stream(self.prompted(asked)[0]))

    def _stream(self, asked: Asked) -> Iterator[str | Answer]:
        began = perf_counter()
        text, given, said = "", 0, _NOTHING
        if asked.prompt and self.generator is not None:
            for piece in self.generator.stream(asked.prompt, self._max_new_tokens):
                if isinstance(piece, Completion):
                    said = piece
                    continue
                text += piece
                if read_completion(text).number is None:
                    for statement, _ in statements_of(asked, text, ended=False)[given:]:
                        yield (" " if given else "") + statement
                        given += 1
        answer = _concluded(asked, said, (perf_counter() - began) * 1_000)
        already = len(" ".join(statement for statement, _ in statements_of(asked, said.text)[:given]))
        yield answer.text[already:]
        yield answer

    def look(
        self, questions: Sequence[str], *, product: str | None = None, min_confidence: float | None = None
    ) -> list[Asked]:
        """Do all that comes before the language model: see ``qa.looking``, and ``answer`` for the arguments."""
        return look(
            self.index,
            self.ranker,
            self.decision,
            questions,
            products=self.k,
            product=product,
            min_confidence=min_confidence,
        )

    def prompted(self, asked: Sequence[Asked]) -> list[Asked]:
        """Add their prompts to the questions that the model is to answer; one that only quotes reads one product."""
        if self.generator is None:
            return list(asked)
        if self.generator.only_quotes:
            asked = [replace(each, context=replace(each.context, shown=each.context.shown[:1])) for each in asked]
        return [self.prompt(each) if each.is_answerable else each for each in asked]

    def prompt(self, asked: Asked) -> Asked:
        """Render the prompt of a question: see ``qa.prompting.with_prompt``.

        Raises:
            UsageError: There is no language model, or no room for any product.
        """
        if self.generator is None:
            raise UsageError("A prompt needs a language model to read it; the model is 'extractive'.")
        return with_prompt(asked, self.generator, self._max_prompt_tokens)

    def complete(self, prompts: Sequence[Prompt]) -> tuple[list[Completion], float]:
        """Return what the model says, and how many milliseconds a prompt it took."""
        began = perf_counter()
        said = self.generator.generate(prompts, self._max_new_tokens) if self.generator and prompts else []
        return said, (perf_counter() - began) * 1_000 / max(1, len(prompts))

    def _answer_without_retrieval(self, questions: Sequence[str]) -> list[Answer]:
        if self.generator is None:
            raise UsageError("Asking without retrieval needs a language model; the model is 'extractive'.")
        answers: list[Answer] = []
        for start in range(0, len(questions), _BATCH):
            asked = [parse_question(question).text for question in questions[start : start + _BATCH]]
            said, spent = self.complete([Prompt(tuple(build_messages(text, None))) for text in asked])
            timings = {"generate": round(spent, 1), "total": round(spent, 1)}
            answers += [
                Answer(
                    each.text, "answered", timings=timings, tokens=each.tokens, notes=(_UNCHECKED,), question=question
                )
                for each, question in zip(said, asked, strict=True)
            ]
        return answers


def _concluded(asked: Asked, said: Completion = _NOTHING, generated: float = 0.0) -> Answer:
    """Return the answer to a question, what the model said given."""
    began = perf_counter()
    answer = judge(asked, said.text)
    timings = asked.milliseconds | {"generate": generated, "check": (perf_counter() - began) * 1_000}
    timings["total"] = sum(timings.values())
    return replace(
        answer,
        hits=asked.hits,
        confidence=round(asked.probable.get(answer.status, 1 - asked.probable.get("no_match", 0.0)), 4),
        timings={step: round(spent, 1) for step, spent in timings.items()},
        tokens=dict(said.tokens),
        question=asked.query.text,
    )
