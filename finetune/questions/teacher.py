"""A teacher: a language model behind an OpenAI-compatible endpoint that writes questions of products."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from finetune.questions.drafts import uids_of
from retrieval.errors import GenerationError, UsageError
from retrieval.files import parse_json
from retrieval.question_file import Question
from retrieval.schema import Product

PER_PRODUCT = 4
_KINDS = ("identify", "fact", "unanswerable")
_NOISES = ("none", "vague", "partial", "typo")
_LONGEST_CONTENT = 3_000
_LONGEST_QUESTION = 30
_SECONDS = 120
_PROMPT = """You write what shoppers type into a shop's search box. Read the listing of one product and write {count}
questions about it as JSON:
{{"questions": [{{"question": ..., "kind": ..., "answer": ..., "evidence": ..., "noise": ...}}]}}

kind: "identify" (which product is it, what is it like), "fact" (the listing states the answer) or "unanswerable" (a
sensible question whose answer the listing does not give). Use each kind at least once.
answer, evidence: for "fact", a short answer and the words of the listing that state it, copied character by character;
for "identify", one sentence of the listing as both; for "unanswerable", empty strings.
noise: "none"; "vague" (the product is described, not named, in other words than its title); "partial" (cut off or
keywords only); "typo" (misspelt words).
People write short, 8 to 14 words, mostly lower case, often without a question mark, and never the whole title.

Title: {title}
Description: {content}"""


class Teacher:
    """Asks a model for questions, checks what comes back, and keeps every reply on disk.

    A reply is filed under the hash of model and prompt, one JSON object a line, as soon as it has come; a run that was
    interrupted goes on where it stopped, and the same run again asks nothing.

    Attributes:
        dropped: How many questions were dropped, by reason.
        requests: How many requests went to the endpoint.
    """

    def __init__(self, url: str, model: str, cache: Path, *, key: str | None = None) -> None:
        """Prepare to ask.

        Args:
            url: Base address of the endpoint, up to and without ``/chat/completions``.
            model: Name of the model there.
            cache: File of the replies; read when it is there, extended in any case.
            key: Sent as bearer token, where the endpoint wants one.

        Raises:
            UsageError: ``url`` is not an http address, or ``cache`` holds something else than replies.
        """
        import httpx2

        if not url.startswith(("http://", "https://")):
            raise UsageError(f"The teacher's address is {url!r}; it must begin with http:// or https://.")
        self.dropped: Counter[str] = Counter()
        self.requests = 0
        self._model = model
        self._cache = cache
        self._replies = _read_replies(cache)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS)

    def __enter__(self) -> Self:
        """Return the teacher; leaving closes its connections."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, products: Sequence[Product], count: int, *, seed: int = 0) -> list[Question]:
        """Have questions written about products that are drawn uniformly.

        Returns:
            At most ``count`` checked questions, each with ``maker`` ``teacher``.

        Raises:
            UsageError: ``count`` is below 1.
            GenerationError: The endpoint cannot be reached, or refuses.
        """
        if count < 1:
            raise UsageError(f"count is {count}; it must be at least 1.")
        questions: list[Question] = []
        for row in Random(f"{seed}:teacher").sample(range(len(products)), len(products)):
            if len(questions) >= count:
                break
            product = products[row]
            questions.extend(self._checked(self._reply(product), product))
        return questions[:count]

    def _reply(self, product: Product) -> str:
        content = product.content[:_LONGEST_CONTENT]
        prompt = _PROMPT.format(count=PER_PRODUCT, title=product.title, content=content)
        key = hashlib.sha256(f"{self._model}\0{prompt}".encode()).hexdigest()
        if key not in self._replies:
            reply = self._request(prompt)
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"key": key, "uid": product.uid, "reply": reply}, ensure_ascii=False) + "\n")
            self._replies[key] = reply
        return self._replies[key]

    def _request(self, prompt: str) -> str:
        import httpx2

        self.requests += 1
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "response_format": {"type": "json_object"},
        }
        try:
            response = self._client.post("/chat/completions", json=body)
            response.raise_for_status()
            reply = response.json()["choices"][0]["message"]["content"]
        except httpx2.HTTPStatusError as error:
            told = f"{error.response.status_code}: {error.response.text[:200]}"
            raise GenerationError(f"The teacher at {self._client.base_url} refused with {told}") from error
        except httpx2.HTTPError as error:
            raise GenerationError(f"The teacher at {self._client.base_url} cannot be reached: {error}.") from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise GenerationError(
                f"The teacher at {self._client.base_url} does not speak the chat protocol."
            ) from error
        return str(reply)

    def _checked(self, reply: str, product: Product) -> Iterator[Question]:
        for row in _rows(reply):
            reason = _fault(row, product)
            if reason:
                self.dropped[reason] += 1
                continue
            told = row["kind"] != "unanswerable"
            answer, evidence = (str(row.get(name) or "") if told else "" for name in ("answer", "evidence"))
            noise = row["noise"] if row.get("noise") in _NOISES else "none"
            text = " ".join(row["question"].split())
            yield Question(text, row["kind"], uids_of(product), answer, evidence, noise=noise, maker="teacher")


def _rows(reply: str) -> list[Any]:
    """Return what a reply lists as questions; a fence of code around the JSON does no harm."""
    try:
        listed = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])
    except ValueError:
        return [None]
    rows = listed.get("questions")
    return rows if isinstance(rows, list) else [None]


def _fault(row: Any, product: Product) -> str:
    """Say why a row is not a question about a product; empty when it is one."""
    if not isinstance(row, dict) or not isinstance(row.get("question"), str) or row.get("kind") not in _KINDS:
        return "not a question"
    if not 2 <= len(row["question"].split()) <= _LONGEST_QUESTION:
        return "too short or too long"
    if product.title.lower() in row["question"].lower() and len(product.title.split()) > 3:
        return "the whole title in it"
    evidence = row.get("evidence") or ""
    if row["kind"] == "fact" and not (evidence and row.get("answer")):
        return "a fact without answer or evidence"
    if row["kind"] != "unanswerable" and evidence not in product.title and evidence not in product.content:
        return "evidence that the listing does not hold"
    return ""


def _read_replies(cache: Path) -> dict[str, str]:
    """Read a file of replies; a last line without its end, from a run that was stopped while it wrote, is dropped."""
    if not cache.is_file():
        return {}
    *lines, cut_off = cache.read_bytes().split(b"\n")
    replies: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line)
            replies[row["key"]] = row["reply"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{cache}:{number} is not a teacher's reply; move the file away to begin anew.") from error
    os.truncate(cache, cache.stat().st_size - len(cut_off))
    return replies
