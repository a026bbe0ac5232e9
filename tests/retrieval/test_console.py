from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval import cli, console
from retrieval.errors import QuestionError, UsageError
from retrieval.index import HybridIndex
from retrieval.models import made_once
from retrieval.schema import Hit, Product
from tests.conftest import ROWS, WriteCatalogue


def run(command: Callable[[], object]) -> int:
    parser = argparse.ArgumentParser(prog="shop")
    parser.set_defaults(run=lambda options: command())
    return console.run(parser, [])


def batch(path: object) -> argparse.Namespace:
    return argparse.Namespace(question=None, batch=str(path))


def give(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put data into standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


def test_errors_of_the_system_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: made_once(Path("/dev/null/x/model"), print)) == console.FAILED
    assert run(lambda: (tmp_path / "m\udcff").write_text("\udcff", encoding="utf-8")) == console.FAILED
    system, text = capsys.readouterr().err.splitlines()
    assert system == "shop: /dev/null/x: Not a directory."
    assert text.startswith("shop: A text or the name of a file cannot be read or written: 'utf-8' codec")


def test_an_error_of_the_system_without_a_file_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConnectionError("the line is dead")

    assert run(fail) == console.FAILED
    assert capsys.readouterr().err == "shop: the line is dead.\n"


def test_nothing_is_told_to_who_reads_no_more(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", os.fdopen(os.dup(2), "w"))
        assert run(fail) == console.FAILED
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("???", "The question '???' has no word in it"),
        ("x" * 2_001, "The question has 2,001 characters"),
        ('{"question": " "}', "The question is empty"),
    ],
)
def test_a_question_of_a_file_that_cannot_be_asked_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "q.txt"
    path.write_text(f"mug\n\n{line}\ntent\n")
    with pytest.raises(QuestionError) as error:
        console.questions_of(batch(path))
    assert str(error.value).startswith(f"{path}:3: {message}")


def test_standard_input_is_read_as_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    give("Krug für Öl\r\n\nTee".encode(), monkeypatch)
    assert console.questions_of(batch("-")) == ["Krug für Öl", "Tee"]
    for read in (lambda: console.questions_of(batch("-")), lambda: console.values_of("-")):
        give(b"MUG1\n\xff\n", monkeypatch)
        with pytest.raises(UsageError, match=r"^Standard input is not UTF-8: byte 5 cannot be read\.$"):
            read()


def test_brackets_are_shown_as_they_are(
    index: HybridIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hits = [Hit(Product("HOSE[1]", "Garden hose [/green] 20 m [dvd] :smile:", "A hose."), 1, 0.5)]
    monkeypatch.setattr(HybridIndex, "open", lambda *_, **__: index)
    monkeypatch.setattr(index, "search_batch", lambda *_: [hits])
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["search", str(index.folder), "a hose [/red] or [vhs]"]) == 0
    shown = capsys.readouterr().out
    for text in ("a hose [/red] or [vhs]", "HOSE[1]", "Garden hose [/green] 20 m [dvd] :smile:"):
        assert text in shown


def test_a_catalogue_whose_name_is_not_utf_8_is_refused_before_it_is_read(
    index: HybridIndex, tmp_path: Path, write_catalogue: WriteCatalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = str(write_catalogue([*ROWS, b"{bad"], "t\udcff.json"))
    assert cli.main(["build", catalogue, "--out", str(tmp_path / "new")]) == console.FAILED
    assert cli.main(["update", str(index.folder), "--add", catalogue]) == console.FAILED
    for told in capsys.readouterr().err.splitlines():
        assert told.endswith(r"t\udcff.json' is not UTF-8; rename the file.")
    assert not (tmp_path / "new").exists()
