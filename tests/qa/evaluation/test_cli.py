from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qa.cli
from qa.evaluation import ARMS, Settings, cli
from qa.evaluation import run as run_module
from retrieval.models import DEFAULT_LANGUAGE_MODEL, find_adapter
from retrieval.question_file import Question, read_questions, write_questions

MADE = [Question("how heavy is the ridge two tent", "fact", ("TENT1",)), Question("electric motorbike", "absent")]


class Maker:
    """Stands for the process that makes questions."""

    def __init__(self) -> None:
        self.code = 0
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(command)
        if self.code == 0:
            write_questions(Path(command[command.index("--out") + 1]), MADE)
        return subprocess.CompletedProcess(command, self.code)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[Question]]:
    """What evaluations were asked, instead of running them."""
    asked: list[list[Question]] = []

    def evaluate(settings: Settings, **options: object) -> dict[str, object]:
        asked.append(settings.chosen_questions())
        return {"asked": len(asked[-1])}

    monkeypatch.setattr(run_module, "evaluate", evaluate)
    return asked


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    """What runs where questions are made."""
    maker = Maker()
    monkeypatch.setattr(cli.subprocess, "run", maker)
    return maker


def test_the_help_names_every_arm(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        qa.cli.main(["evaluate", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    listed = told.partition("arms to compare: ")[2].partition("--limit")[0]
    assert {name for name in re.findall(r"[a-z+]+", listed) if name in ARMS} == set(ARMS)
    assert "not among the default, tuned+free, untuned+free" in told


def test_without_questions_some_are_made_once_and_kept(
    asked: list[list[Question]], maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        code = qa.cli.main(["evaluate", "--index", "some/index", "--out", str(out), "--seed", "3", "--json"])
        assert (code, json.loads(capsys.readouterr().out)) == (0, {"asked": 2})
    (command,) = maker.commands
    made = ["finetune", "questions", "--index", "some/index", "--count", "165", "--seed", "3"]
    made += ["--unseen-by", str(find_adapter("auto", DEFAULT_LANGUAGE_MODEL)), "--out"]
    assert command[:-1] == [sys.executable, "-m", *made]
    assert asked == [MADE, MADE]
    assert read_questions(out / "questions.jsonl") == MADE
    assert [path.name for path in out.iterdir()] == ["questions.jsonl"]


def test_questions_that_cannot_be_made_are_told_and_leave_nothing(
    asked: list[list[Question]], maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker.code = 1
    out = tmp_path / "out"
    assert qa.cli.main(["evaluate", "--index", "some/index", "--out", str(out), "--limit", "7"]) == 2
    told = capsys.readouterr().err
    assert "python -m finetune questions --index some/index --count 7 --seed 0 --unseen-by " in told
    assert "; give --questions FILE." in told
    assert asked == []
    assert not (out / "questions.jsonl").exists()


def test_questions_are_made_of_all_products_where_nothing_tells_which_were_seen(
    asked: list[list[Question]], maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seen.json").write_text('{"seen_uids": ["TENT1"]}')
    command = ["evaluate", "--index", "some/index", "--json", "--adapter", "none", "--out"]
    assert qa.cli.main([*command, str(tmp_path / "all")]) == 0
    assert "--unseen-by" not in maker.commands[-1]
    assert "nothing tells which products were tuned on" in capsys.readouterr().err
    assert qa.cli.main([*command, str(tmp_path / "told"), "--seen", str(tmp_path / "seen.json")]) == 0
    assert maker.commands[-1][-4:-2] == ["--unseen-by", str(tmp_path / "seen.json")]
    assert "nothing tells" not in capsys.readouterr().err


@pytest.mark.models
def test_the_command_that_makes_questions_is_there(sample_index: object, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "questions.jsonl", sample_index.folder, tmp_path, limit=12)
    cli._make_questions(settings)
    made = read_questions(settings.questions)
    assert len(made) == 12
    assert all(sample_index.product(uid) for question in made for uid in question.uids)
