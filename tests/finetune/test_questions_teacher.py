from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from finetune.questions.teacher import Teacher
from retrieval.errors import GenerationError, UsageError
from retrieval.schema import Product
from tests.fakes import serving

PRODUCTS = [
    Product("JUG", "Ferrow Stoneware Garden Jug", "Holds 2 liters. The spout is brass.", ("JUG2",)),
    Product("PEN", "Alder Cedar Drawing Pencil", "Cedar wood with a soft lead of 5 mm."),
]


class Endpoint:
    """An endpoint that answers with what it is told and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.rows: list[Any] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(body)
                endpoint.keys.append(self.headers["Authorization"])
                said = f"```json\n{json.dumps({'questions': endpoint.rows}, ensure_ascii=False)}\n```"
                reply = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
                self.send_response(endpoint.status if self.path == "/v1/chat/completions" else 404)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    with serving(endpoint.server):
        yield endpoint


FACT = {
    "question": "how much fits in the ferrow jug",
    "kind": "fact",
    "answer": "2 liters",
    "evidence": "Holds 2 liters",
}
GAP = {"question": "is the ferrow jug dishwasher safe", "kind": "unanswerable", "answer": "", "noise": "none"}


def test_questions_are_checked_counted_and_kept(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.rows = [
        FACT,
        GAP,
        FACT | {"evidence": "Holds two liters"},
        FACT | {"answer": ""},
        GAP | {"question": "is the Ferrow Stoneware Garden Jug heavy"},
        GAP | {"question": "heavy?"},
        GAP | {"kind": "praise"},
    ]
    cache = tmp_path / "replies.jsonl"
    with Teacher(endpoint.url, "judge", cache, key="secret") as teacher:
        questions = teacher.ask(PRODUCTS[:1], 10)
    assert [(question.kind, question.uids, question.maker) for question in questions] == [
        ("fact", ("JUG", "JUG2"), "teacher"),
        ("unanswerable", ("JUG", "JUG2"), "teacher"),
    ]
    assert questions[0].evidence in PRODUCTS[0].content
    assert teacher.dropped == {
        "evidence that the listing does not hold": 1,
        "a fact without answer or evidence": 1,
        "the whole title in it": 1,
        "too short or too long": 1,
        "not a question": 1,
    }
    assert endpoint.keys == ["Bearer secret"]
    assert endpoint.requests[0]["model"] == "judge"
    assert PRODUCTS[0].content in endpoint.requests[0]["messages"][0]["content"]

    with Teacher(endpoint.url, "judge", cache) as again:
        assert again.ask(PRODUCTS[:1], 10) == questions
    assert again.requests == 0
    assert len(endpoint.requests) == 1


def test_an_interrupted_run_goes_on_where_it_stopped(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.rows = [GAP]
    cache = tmp_path / "replies.jsonl"
    with Teacher(endpoint.url, "judge", cache) as teacher:
        assert len(teacher.ask(PRODUCTS, 1)) == 1
    with cache.open("ab") as lines:
        lines.write('{"key": "stopped in the middle of an é'.encode()[:-1])
    with Teacher(endpoint.url, "judge", cache) as teacher:
        assert len(teacher.ask(PRODUCTS, 2)) == 2
    assert teacher.requests == 1
    assert [len(json.loads(line)) for line in cache.read_text().splitlines()] == [3, 3]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_reply_may_hold_any_separator_of_lines(endpoint: Endpoint, tmp_path: Path, separator: str) -> None:
    endpoint.rows = [FACT | {"answer": f"2{separator}liters"}]
    cache = tmp_path / "replies.jsonl"
    with Teacher(endpoint.url, "judge", cache) as teacher:
        questions = teacher.ask(PRODUCTS[:1], 1)
    assert [question.answer for question in questions] == [f"2{separator}liters"]
    with Teacher(endpoint.url, "judge", cache) as again:
        assert again.ask(PRODUCTS[:1], 1) == questions
    assert again.requests == 0


def test_what_goes_wrong_is_told_in_one_sentence(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.status = 503
    with (
        Teacher(endpoint.url, "judge", tmp_path / "a") as teacher,
        pytest.raises(GenerationError, match="refused with 503"),
    ):
        teacher.ask(PRODUCTS, 1)
    with Teacher("http://127.0.0.1:9", "judge", tmp_path / "a") as teacher:
        with pytest.raises(GenerationError, match="cannot be reached"):
            teacher.ask(PRODUCTS, 1)
        with pytest.raises(UsageError, match="count is 0"):
            teacher.ask(PRODUCTS, 0)
    with pytest.raises(UsageError, match="http://"):
        Teacher("localhost:80", "judge", tmp_path / "a")
    (tmp_path / "notes.txt").write_text("hello\nworld")
    with pytest.raises(UsageError, match=r"notes\.txt:1 is not a teacher's reply"):
        Teacher(endpoint.url, "judge", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "hello\nworld"


def test_prose_instead_of_json_is_dropped(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.rows = "no list"  # type: ignore[assignment]
    with Teacher(endpoint.url, "judge", tmp_path / "replies.jsonl") as teacher:
        assert teacher.ask(PRODUCTS, 4) == []
    assert teacher.dropped == {"not a question": 2}
