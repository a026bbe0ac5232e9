"""The README keeps its word: commands, links, code and figures."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import finetune.cli
import qa.cli
import retrieval.cli
from benchmarks.tables import ANSWERS, answers_table, search_table
from tests.conftest import ROOT, require_models

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)
    for kind, body in BLOCKS
    if kind == "sh"
    for line in body.replace("\\\n", " ").splitlines()
    if line.strip()
]
PROGRAMS = {"finetune": finetune.cli.main, "qa": qa.cli.main, "retrieval": retrieval.cli.main}


def help_of(program: str, *command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit):
        PROGRAMS[program]([*command, "--help"])
    return shown.getvalue()


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 12
    assert ["make", "demo"] in COMMANDS
    assert ["make", "test"] in COMMANDS


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_there_with_its_flags(command: list[str]) -> None:
    if command[0] == "make":
        assert re.search(rf"^{command[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert command[:2] == ["python", "-m"]
    flags = [argument for argument in command[4:] if argument.startswith("-")]
    shown = help_of(command[2], command[3])
    assert all(re.search(rf"(?<![\w-]){flag}\b", shown) for flag in flags)


def test_every_subcommand_is_in_the_readme() -> None:
    for program in PROGRAMS:
        names = re.search(r"^commands:\n(.*)\Z", help_of(program), re.DOTALL | re.MULTILINE)
        assert names is not None
        for name in re.findall(r"^    ([\w-]+) ", names[1], re.MULTILINE):
            assert ["python", "-m", program, name] in [command[:4] for command in COMMANDS]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "indexes" / "README.md", ROOT / "docs" / "log.md"])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_tables_say_what_the_result_files_say() -> None:
    assert search_table() in README
    assert all(answers_table(result) in README for result in ANSWERS)


@pytest.mark.models
def test_the_first_example_prints_what_it_says(monkeypatch: pytest.MonkeyPatch, sample_index) -> None:
    require_models()
    monkeypatch.setenv("PRODUCT_QA_INDEX", str(sample_index.folder))
    (_, code), (_, expected) = BLOCKS[0], BLOCKS[1]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == expected
