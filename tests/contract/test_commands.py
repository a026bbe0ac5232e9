"""The commands as a user runs them: output, exit codes, one sentence for an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.index import HybridIndex
from tests.conftest import ROOT, ROWS, WriteCatalogue, require_models

ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1"}


def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)


@pytest.fixture
def built(tmp_path: Path, write_catalogue: WriteCatalogue) -> Path:
    require_models()
    done = run("retrieval", "build", write_catalogue([*ROWS, b"{bad"]), "--out", tmp_path / "index")
    assert done.returncode == 0, done.stderr
    assert "trn.json:7: bad JSON" in done.stderr
    assert f"{len(ROWS)} products" in done.stdout
    return tmp_path / "index"


@pytest.mark.models
def test_build_search_inspect_verify(built: Path) -> None:
    found = json.loads(run("retrieval", "search", built, "blue mug", "--json", "-k", 2).stdout)
    assert [hit["product"]["uid"] for hit in found["hits"]] == ["MUG1", "MUG2"]
    batch = run("retrieval", "search", built, "--batch", "-", "--json", stdin='What If?\n{"question": "tent"}\n\n')
    assert [json.loads(line)["question"] for line in batch.stdout.splitlines()] == ["What If?", "tent"]
    assert "Harbour Mug, Blue" in run("retrieval", "search", built, "blue mug").stdout
    assert json.loads(run("retrieval", "verify", built, "--json").stdout)["products"] == len(ROWS)
    assert json.loads(run("retrieval", "inspect", built, "--json").stdout)["counts"]["rejected"] == 1


@pytest.mark.models
def test_update_and_compact(built: Path, tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    rows = [{**ROWS[0], "title": "Harbour Mug, Pink"}, {"uid": "OAR1", "title": "Oar", "content": "For rowing."}]
    (tmp_path / "uids.txt").write_text("BOOK1\n\nNONE\n")
    add = write_catalogue([*rows, b"{bad"], "add.json")
    done = run("retrieval", "update", built, "--add", add, "--remove", "TENT1", f"@{tmp_path / 'uids.txt'}", "--json")
    assert done.returncode == 0, done.stderr
    assert "add.json:3: bad JSON" in done.stderr
    assert "1 of the uids to remove are not in" in done.stderr
    told = json.loads(done.stdout)
    assert [told[name] for name in ("added", "changed", "removed", "not there", "encoded")] == [1, 1, 2, 1, 2]
    shown = run("retrieval", "update", built, "--remove", "-", stdin="LAMP1\n")
    assert "4 products in" in shown.stdout
    found = json.loads(run("retrieval", "search", built, "rowing", "--json", "-k", 9).stdout)["hits"]
    assert found[0]["product"]["uid"] == "OAR1"
    assert {hit["product"]["uid"] for hit in found} == {"MUG1", "MUG2", "BOOK2", "OAR1"}
    assert run("retrieval", "compact", built).stdout == f"4 products in {built}, no removed rows.\n"
    assert json.loads(run("retrieval", "compact", built, "--json").stdout)["products"] == 4
    assert json.loads(run("retrieval", "verify", built, "--json").stdout)["products"] == 4


@pytest.mark.models
def test_ask_prints_answer_and_source_or_json(built: Path) -> None:
    shown = run("qa", "ask", "how much does the ridge tent weigh?", "--index", built, "--model", "extractive")
    assert shown.returncode == 0, shown.stderr
    assert "Weighs 2.4 kg." in shown.stdout
    assert "source TENT1" in shown.stdout
    batch = run(
        "qa", "ask", "--batch", "-", "--json", "--index", built, "--model", "extractive", stdin="red mug\ntent\n"
    )
    answers = [json.loads(line) for line in batch.stdout.splitlines()]
    assert [answer["product"]["uid"] for answer in answers] == ["MUG2", "TENT1"]
    fields = {"text", "status", "product", "candidates", "citations", "hits", "confidence", "timings"}
    assert all(fields <= set(answer) for answer in answers)


@pytest.mark.models
def test_errors_of_ask_are_one_sentence_with_the_right_exit_code(built: Path, tmp_path: Path) -> None:
    ask = ("qa", "ask", "--index", built, "--model", "extractive")
    cases = [
        ((*ask, " "), 2, "The question is empty"),
        ((*ask, "x" * 100_000), 2, "100,000 characters"),
        ((*ask,), 2, "one of the two"),
        ((*ask, "--batch", tmp_path / "none.txt"), 2, "No question file"),
        ((*ask, "tent", "--product", "NONE"), 2, "No product NONE"),
        ((*ask, "tent", "-k", "0"), 2, "k is 0"),
        ((*ask, "tent", "--no-retrieval"), 2, "needs a language model"),
        (("qa", "ask", "tent", "--index", tmp_path / "indes"), 1, "did you mean"),
        (("qa", "ask", "tent", "--index", built, "--model", "nobody/nothing"), 1, "the hub is switched off"),
        (("qa", "ask", "tent", "--index", built, "--model", "./nowhere"), 1, "No model folder"),
    ]
    for arguments, code, message in cases:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments[:6]
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    other_script = run(*ask, "これは何ですか", "--json")
    assert (other_script.returncode, json.loads(other_script.stdout)["status"]) == (0, "no_match")


def test_errors_of_retrieval_are_one_sentence_with_the_right_exit_code(
    index: HybridIndex, tmp_path: Path, write_catalogue: WriteCatalogue
) -> None:
    catalogue = write_catalogue(ROWS)
    cases = [
        (("build", tmp_path / "trn.jsn", "--out", tmp_path / "i"), 1, "did you mean"),
        (("build", catalogue, "--out", tmp_path / "i", "--fields", "content"), 2, "--fields is content"),
        (("build", catalogue, "--out", tmp_path / "i", "--limit", "0"), 2, "limit is 0"),
        (("build", catalogue, "--out", tmp_path / "i", "--encoder", "nobody/none"), 1, "the hub is switched off"),
        (("search", tmp_path / "indx", "mug"), 1, "did you mean"),
        (("update", tmp_path / "index"), 2, "name files to --add or uids to --remove"),
        (("update", tmp_path / "indx", "--remove", "MUG1"), 1, "did you mean"),
        (("update", tmp_path / "index", "--add", tmp_path / "trn.jsn"), 1, "did you mean"),
        (("update", tmp_path / "index", "--remove", f"@{tmp_path / 'none'}"), 2, "No file at"),
        (("compact", tmp_path / "indx"), 1, "did you mean"),
        (("verify", tmp_path), 1, "holds no index"),
        (("inspect", tmp_path / "none.json"), 1, "No catalogue file"),
    ]
    for arguments, code, message in cases:
        done = run("retrieval", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert run("retrieval", "unknown").returncode == 2


def test_inspect_describes_a_catalogue(write_catalogue: WriteCatalogue) -> None:
    rows = [*ROWS, ROWS[0] | {"uid": "M3"}, {"uid": "X", "title": "a &amp; b", "content": ""}]
    facts = json.loads(run("retrieval", "inspect", write_catalogue(rows), "--json").stdout)
    assert (facts["rows"], facts["usable"], facts["twins"], facts["dropped"]["no content"]) == (8, 6, 1, 1)
    assert facts["share_with_entities"] == 0.125
    assert facts["words"]["title"]["100%"] == 3
    assert facts["words"]["content"]["50%"] == 11


def test_every_command_has_help() -> None:
    for program, commands in {
        "retrieval": ("build", "update", "compact", "search", "inspect", "verify"),
        "qa": ("ask", "evaluate", "calibrate"),
        "finetune": (
            "questions",
            "encoder",
            "encoder-share",
            "reranker",
            "evidence",
            "prepare",
            "preflight",
            "train",
            "export",
        ),
    }.items():
        assert run(program, "--help").returncode == 0
        for command in commands:
            done = run(program, command, "--help")
            assert (done.returncode, done.stderr) == (0, "")
            assert command in done.stdout
