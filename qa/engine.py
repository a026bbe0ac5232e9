"""The pipeline: question, search, prompt, model, check, answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from qa.answers import Answer, AnswerStream, Status
from qa.conversation import Chat, ask_back, fitting_equally, meant_by
from qa.decision import FITTING_SHARE, MATCH_THRESHOLD, Decision, Signals, evidence, log_odds
from qa.generators.base import Completion, Generator, Prompt
from qa.generators.openai_server import OpenAIGenerator
from qa.generators.transformers_lm import TransformersGenerator
from qa.judging import Asked, ambiguous, judge, no_match, not_in_description, statements_of
from retrieval.encoder import Encoder
from retrieval.errors import UsageError
from retrieval.evidence import CrossEncoderRanker, EvidenceRanker
from retrieval.index import DEFAULT_K, HybridIndex
from retrieval.models import DEFAULT_LANGUAGE_MODEL, find_adapter
from retrieval.prompt import (
    PROMPT_PRODUCTS,
    WORDS_PER_PRODUCT,
    Shown,
    build_messages,
    choose_context,
    read_completion,
)
from retrieval.query import Query, parse_question
from retrieval.schema import Hit

DEFAULT_INDEX = "indexes/sample"
EXTRACTIVE = "extractive"
_ADDRESSES = ("http://", "https://")
_FEWEST_WORDS_PER_PRODUCT = 8
_BATCH = 8
_TOKENS_TO_DECIDE = 8
_UNCHECKED = "Asked without retrieval: nothing supports these words."


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
            k: Products shown to the model.
            max_prompt_tokens: Longest prompt; contexts shrink by whole sentences until it fits.
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
        adapter: Path | str = "auto",
        max_prompt_tokens: int = 1_024,
        max_new_tokens: int = 48,
    ) -> ProductQA:
        """Open an index and find a model; the weights are loaded at the first question.

        Args:
            index: Index folder; by default ``$PRODUCT_QA_INDEX``, or ``indexes/sample``.
            model: Hub id or folder of a causal language model; the address of an OpenAI-compatible server with the
                model's name after a ``#``; or ``extractive`` for none.
            k: Products shown to the model.
            encoder: The index's encoder, if it is not to be found by its id.
            rerank: ``auto``, ``none`` or a file of weights, as in ``HybridIndex.open``.
            adapter: ``auto`` takes the one that ships for this model, if there is one; ``none`` leaves the model
                untuned; anything else is the folder of an adapter.
            max_prompt_tokens: Longest prompt.
            max_new_tokens: Longest answer.

        Raises:
            IndexStoreError: The index cannot be opened.
            ModelNotFound: The model is nowhere to be had.
            AdapterMismatch: The adapter belongs to another model, or to another version of the prompt.
        """
        folder = index or os.environ.get("PRODUCT_QA_INDEX") or DEFAULT_INDEX
        opened = HybridIndex.open(folder, encoder=encoder, rerank=rerank)
        generator: Generator | None = None
        tuned: Path | None = None
        if model.startswith(_ADDRESSES):
            generator = OpenAIGenerator(model)
        elif model != EXTRACTIVE:
            tuned = find_adapter(str(adapter), model)
            generator = TransformersGenerator(model, tuned)
        return cls(
            opened,
            generator,
            decision=Decision.read(tuned),
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
            min_confidence: Decline answers that are less probably right; by default those below ``decision.threshold``.
            previous: The answer that this goes on from: a reply to what it asked back settles which product was meant,
                and any other question is asked of its product.

        Raises:
            QuestionError: The question is empty or too long.
            UsageError: No such product.
            GenerationError: The model failed; this object stays usable.
        """
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
            return self._answer_without_retrieval(questions)
        asked = self._ask(questions, product)
        answers: list[Answer] = []
        for start in range(0, len(asked), _BATCH):
            batch = asked[start : start + _BATCH]
            prompts = [each.prompt for each in batch if each.prompt]
            began = perf_counter()
            said = iter(self.generator.generate(prompts, self._max_new_tokens) if self.generator and prompts else ())
            spent = (perf_counter() - began) * 1_000 / max(1, len(prompts))
            answers += [
                self._conclude(each, next(said) if each.prompt else None, spent, min_confidence) for each in batch
            ]
        return answers

    def signals_of(self, questions: Sequence[str]) -> list[Signals]:
        """Return what the decisions on questions rest on."""
        found: list[Signals] = []
        for start in range(0, len(questions), _BATCH):
            asked = self._ask(questions[start : start + _BATCH], None)
            prompts = [each.prompt for each in asked if each.prompt]
            said = iter(self.generator.generate(prompts, _TOKENS_TO_DECIDE) if self.generator and prompts else ())
            found += [_signals(each, next(said) if each.prompt else None) for each in asked]
        return found

    def stream(self, question: str, *, product: str | None = None, min_confidence: float | None = None) -> AnswerStream:
        """Answer a question sentence by sentence, each checked before it is given out. See ``answer``."""
        return AnswerStream(self._stream(self._ask([question], product)[0], min_confidence))

    def _stream(self, asked: Asked, min_confidence: float | None) -> Iterator[str | Answer]:
        began = perf_counter()
        text, given = "", 0
        completion: Completion | None = None
        if asked.prompt and self.generator is not None:
            answers = self._decide(asked, None, min_confidence)[0] == "answered"
            for piece in self.generator.stream(asked.prompt, self._max_new_tokens):
                if isinstance(piece, Completion):
                    completion = piece
                    continue
                text += piece
                if answers and read_completion(text).number is None:
                    for statement, _ in statements_of(asked, text, ended=False)[given:]:
                        yield (" " if given else "") + statement
                        given += 1
        answer = self._conclude(asked, completion, (perf_counter() - began) * 1_000, min_confidence)
        already = len(" ".join(statement for statement, _ in statements_of(asked, text)[:given]))
        yield answer.text[already:]
        yield answer

    def _ask(self, questions: Sequence[str], uid: str | None) -> list[Asked]:
        began = perf_counter()
        queries = [self.index.query(question) for question in questions]
        if uid is None:
            found = self.index.search_queries(queries, max(self.k, DEFAULT_K))
        else:
            known = self.index.product(uid)
            if known is None:
                raise UsageError(f"No product {uid} in {self.index.folder}.")
            found = [[Hit(known, rank=1, score=1.0)] for _ in questions]
        searched = perf_counter()
        shown = choose_context(
            self.ranker, [(query, hits[: self.k]) for query, hits in zip(queries, found, strict=True)]
        )
        asked = []
        for query, hits, context in zip(queries, found, shown, strict=True):
            numbers, signals = _fitting(query, hits, context, product_is_known=uid is not None)
            prompt = self._prompt(query, hits, context, numbers) if numbers and self.generator is not None else None
            asked.append(Asked(query, tuple(hits), tuple(context), numbers, signals, uid is not None, prompt, {}))
        steps = {"search": searched - began, "context": perf_counter() - searched}
        spent = {step: seconds * 1_000 / max(1, len(questions)) for step, seconds in steps.items()}
        return [replace(each, milliseconds=spent) for each in asked]

    def _prompt(self, query: Query, hits: Sequence[Hit], context: list[Shown], numbers: tuple[int, ...]) -> Prompt:
        """Render the prompt, with fewer words a product, then fewer products, until it fits."""
        assert self.generator is not None
        allowance = WORDS_PER_PRODUCT
        while True:
            messages = build_messages(query.text, context)
            if self.generator.count_tokens(messages) <= self._max_prompt_tokens:
                return Prompt(tuple(messages), tuple(context), tuple(n for n in numbers if n <= len(context)))
            if allowance > _FEWEST_WORDS_PER_PRODUCT:
                allowance = max(_FEWEST_WORDS_PER_PRODUCT, allowance * 2 // 3)
            elif len(context) > numbers[0]:
                hits = hits[: len(context) - 1]
            else:
                raise UsageError(f"max_prompt_tokens is {self._max_prompt_tokens}: too few for one product.")
            context = choose_context(self.ranker, [(query, hits[: self.k])], allowance)[0]

    def _conclude(
        self, asked: Asked, completion: Completion | None, generated: float, min_confidence: float | None
    ) -> Answer:
        began = perf_counter()
        answer, confidence = self._decided(asked, completion, min_confidence)
        timings = asked.milliseconds | {"generate": generated, "check": (perf_counter() - began) * 1_000}
        timings["total"] = sum(timings.values())
        rounded = {step: round(spent, 1) for step, spent in timings.items()}
        return replace(
            answer, hits=asked.hits, confidence=round(confidence, 4), timings=rounded, question=asked.query.text
        )

    def _decided(
        self, asked: Asked, completion: Completion | None, min_confidence: float | None
    ) -> tuple[Answer, float]:
        status, probable = self._decide(asked, completion, min_confidence)
        if status == "no_match":
            answer = no_match()
        elif not asked.product_is_known and (alike := fitting_equally(asked.query, asked.hits)):
            return ambiguous(alike), 1 - probable["no_match"]
        elif status == "not_in_description":
            answer = not_in_description(asked.fitting[0])
        else:
            answer = judge(asked, completion.text if completion else "")
        return answer, probable.get(answer.status, 0.0)

    def _decide(
        self, asked: Asked, completion: Completion | None, min_confidence: float | None
    ) -> tuple[Status, dict[Status, float]]:
        probable = self.decision.probabilities(_signals(asked, completion), product_is_known=asked.product_is_known)
        return (self.decision.decide(probable, min_confidence) if asked.numbers else "no_match"), probable

    def _answer_without_retrieval(self, questions: Sequence[str]) -> list[Answer]:
        if self.generator is None:
            raise UsageError("Asking without retrieval needs a language model; the model is 'extractive'.")
        answers = []
        for question in questions:
            began = perf_counter()
            messages = build_messages(parse_question(question).text, None)
            text = self.generator.generate([Prompt(tuple(messages))], self._max_new_tokens)[0].text
            spent = round((perf_counter() - began) * 1_000, 1)
            answers.append(
                Answer(
                    text,
                    "answered",
                    timings={"generate": spent, "total": spent},
                    notes=(_UNCHECKED,),
                    question=question,
                )
            )
        return answers


def _fitting(
    query: Query, hits: Sequence[Hit], context: Sequence[Shown], *, product_is_known: bool
) -> tuple[tuple[int, ...], Signals]:
    """Return the numbers, from 1, of the shown products that fit, and what the decision rests on."""
    found = [evidence(query, hit) for hit in hits[: len(context)]]
    best = max(found, default=0.0)
    needed = 0.0 if product_is_known else max(MATCH_THRESHOLD, best * FITTING_SHARE)
    numbers = tuple(number for number, value in enumerate(found, start=1) if value >= needed)
    ranked = [hit.score for hit in hits[:2]]
    lead = ranked[0] - ranked[1] if len(ranked) == 2 else 0.0
    return numbers, Signals(best, lead, max((context[number - 1].answers for number in numbers), default=0.0))


def _signals(asked: Asked, completion: Completion | None) -> Signals:
    if completion is None or completion.declines is None or completion.rejects is None:
        return asked.signals
    return replace(asked.signals, declines=log_odds(completion.declines), rejects=log_odds(completion.rejects))
