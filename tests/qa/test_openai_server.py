from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from qa.engine import ProductQA
from qa.generators.base import Completion, Prompt
from qa.generators.openai_server import OpenAIGenerator
from retrieval.errors import GenerationError, UsageError
from retrieval.index import HybridIndex
from tests.fakes import pipeline_over, serving

QUESTION = "how heavy is the ridge tent, what does it weigh?"
PROMPT = Prompt(({"role": "user", "content": QUESTION},))


class Endpoint:
    """An endpoint that says what it is told, whole or as a stream, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.says = "It weighs 2.4 kg."
        self.status = 200
        self.raw: bytes | None = None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(request)
                endpoint.keys.append(self.headers["Authorization"])
                self.send_response(endpoint.status if self.path == "/v1/chat/completions" else 404)
                self.end_headers()
                self.wfile.write(endpoint.reply(stream=request.get("stream", False)))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1#small-llama"

    def reply(self, *, stream: bool) -> bytes:
        if self.raw is not None:
            return self.raw
        if not stream:
            return json.dumps({"choices": [{"message": {"content": self.says}}]}).encode()
        pieces = [{"choices": [{"delta": {"content": f"{word} "}}]} for word in self.says.split()]
        events = [json.dumps({"choices": [{"delta": {"role": "assistant"}}]}), *map(json.dumps, pieces), "[DONE]"]
        return "".join(f"data: {event}\n\n" for event in events).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    with serving(endpoint.server):
        yield endpoint


def test_a_model_behind_a_server_answers_and_is_checked(
    endpoint: Endpoint, index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    pipeline = pipeline_over(index, OpenAIGenerator(endpoint.address), max_new_tokens=20)
    answer = pipeline.answer(QUESTION)
    assert (answer.text, [citation.quote for citation in answer.citations]) == ("It weighs 2.4 kg.", ["Weighs 2.4 kg."])
    (request,) = endpoint.requests
    assert {name: request[name] for name in ("model", "max_tokens", "temperature")} == {
        "model": "small-llama",
        "max_tokens": 20,
        "temperature": 0,
    }
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert endpoint.keys == ["Bearer secret"]
    endpoint.says = "It was made by Ann Lee."
    assert "Ann Lee" not in pipeline.answer(QUESTION).text
    stream = pipeline.stream(QUESTION)
    assert "".join(stream) == pipeline.answer(QUESTION).text


def test_a_stream_gives_the_words_as_they_come_and_then_all_of_them(endpoint: Endpoint) -> None:
    *pieces, last = OpenAIGenerator(endpoint.address).stream(PROMPT, 20)
    assert [piece for piece in pieces if piece] == ["It ", "weighs ", "2.4 ", "kg. "]
    assert last == Completion("It weighs 2.4 kg.")


def test_many_prompts_come_back_in_their_order(endpoint: Endpoint) -> None:
    said = OpenAIGenerator(endpoint.address).generate([PROMPT] * 20, 20)
    assert said == [Completion("It weighs 2.4 kg.")] * 20
    assert len(endpoint.requests) == 20


def test_a_message_without_content_says_nothing(endpoint: Endpoint) -> None:
    endpoint.raw = b'{"choices": [{"message": {"role": "assistant", "content": null}}]}'
    assert OpenAIGenerator(endpoint.address).generate([PROMPT], 20) == [Completion("")]


def test_events_may_lack_a_space_and_choices(endpoint: Endpoint) -> None:
    events = ['{"choices": []}', '{"choices": [{"delta": {"content": "2.4 kg"}}]}', '{"choices": [], "usage": {}}', ""]
    endpoint.raw = "".join(f"data:{event}\n\n" for event in [*events, "[DONE]"]).encode()
    assert list(OpenAIGenerator(endpoint.address).stream(PROMPT, 20)) == ["2.4 kg", Completion("2.4 kg")]


@pytest.mark.parametrize("told", [{"message": "out of memory", "code": 500}, "out of memory"])
def test_what_the_server_says_of_an_error_is_told(endpoint: Endpoint, told: object) -> None:
    error = json.dumps({"error": told})
    generator = OpenAIGenerator(endpoint.address)
    endpoint.raw = error.encode()
    with pytest.raises(GenerationError, match=r"small-llama at .* refused with out of memory$"):
        generator.generate([PROMPT], 20)
    endpoint.raw = f'data: {{"choices": [{{"delta": {{"content": "It"}}}}]}}\n\ndata: {error}\n\n'.encode()
    with pytest.raises(GenerationError, match=r"small-llama at .* refused with out of memory$"):
        list(generator.stream(PROMPT, 20))


@pytest.mark.parametrize(
    ("status", "raw", "message"),
    [
        (500, b"out of memory", "small-llama at .* refused with 500: out of memory"),
        (200, b"<html>", "does not speak the chat protocol"),
        (200, b"data: {}\n\n", "does not speak the chat protocol"),
        (200, b'data: {"choices": [{"delta": null}]}\n\n', "does not speak the chat protocol"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(endpoint: Endpoint, status: int, raw: bytes, message: str) -> None:
    endpoint.status, endpoint.raw = status, raw
    generator = OpenAIGenerator(endpoint.address)
    with pytest.raises(GenerationError, match=message):
        generator.generate([PROMPT], 20)
    if raw != b"<html>":
        with pytest.raises(GenerationError, match=message):
            list(generator.stream(PROMPT, 20))


def test_an_endpoint_that_is_not_there_and_an_address_without_model_are_refused(index: HybridIndex) -> None:
    with pytest.raises(GenerationError, match=r"nothing at http:.* cannot be reached"):
        OpenAIGenerator("http://127.0.0.1:9/v1#nothing").generate([PROMPT], 20)
    with pytest.raises(UsageError, match="names no model"):
        ProductQA.open(index.folder, "http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match=r"'http://\[::bad' is no address: Invalid port: ':bad'\.$"):
        ProductQA.open(index.folder, "http://[::bad#m")
