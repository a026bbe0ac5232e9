from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import UsageError
from retrieval.question_file import Question, read_questions, write_questions


def test_what_is_written_is_read(tmp_path: Path) -> None:
    questions = [Question("quão grande é?", "fact", ("A", "B"), "big", "é big", "pt", "typo", "fact")]
    write_questions(tmp_path / "new" / "q.jsonl", [*questions, Question("a car", "absent")])
    assert read_questions(tmp_path / "new" / "q.jsonl") == [*questions, Question("a car", "absent")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"q\.jsonl:2 is not JSON"),
        ("[]", "needs a question and a kind"),
        ('{"question": " ", "kind": "fact"}', "needs a question and a kind"),
        ('{"question": "a", "kind": "facts"}', r"needs a question and a kind \(identify, fact"),
        ('{"question": "a", "kind": "fact"}', "names no uids"),
        ('{"question": "a", "kind": "fact", "uids": 7}', "uids must be a list of strings"),
        ('{"question": "a", "kind": "fact", "uids": ["A"], "answer": 7}', "everything else a string"),
        ('{"question": ' + "9" * 5_000 + "}", "is not JSON: Exceeds the limit"),
        ('{"question": ' + "[" * 100_000, "is not JSON: nested too deeply"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(UsageError, match=message):
        read_questions(path)


def test_a_wrong_path_names_the_nearest_and_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").touch()
    with pytest.raises(UsageError, match=r"did you mean .*questions\.jsonl"):
        read_questions(tmp_path / "question.jsonl")
    with pytest.raises(UsageError, match="holds no question"):
        read_questions(tmp_path / "questions.jsonl")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_bytes(b'{"question": "\xff"}')
    with pytest.raises(UsageError, match=r"q\.jsonl is not UTF-8: byte 14 cannot be read"):
        read_questions(tmp_path / "q.jsonl")
