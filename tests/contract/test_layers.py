from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import qa
from tests.conftest import ROOT

FLOORS = {"retrieval": {"retrieval"}, "finetune": {"retrieval", "finetune"}, "qa": {"retrieval", "qa"}}
MODULES = [(package, path) for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]
HEAVY = ["torch", "transformers", "sentence_transformers", "faiss", "tantivy", "datasets", "pandas", "pyarrow"]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def test_there_are_modules_to_check() -> None:
    assert {package for package, _ in MODULES} == set(FLOORS)


@pytest.mark.parametrize(("package", "path"), MODULES, ids=lambda value: getattr(value, "stem", value))
def test_imports_go_down_only(package: str, path: Path) -> None:
    own = {name.split(".")[0] for name in imports(path)} & {"retrieval", "finetune", "qa", "tests", "benchmarks"}
    assert own <= FLOORS[package]


def test_the_public_names_of_qa_are_pinned() -> None:
    assert qa.__all__ == ["Answer", "Citation", "ProductQA", "ProductQAError", "answer", "warmup"]
    assert all(getattr(qa, name) is not None for name in qa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qa.nothing  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import qa",
        "import retrieval.cli; retrieval.cli.main(['--help'])",
        "import qa.cli; qa.cli.main(['ask', '--help'])",
    ],
)
def test_importing_and_asking_for_help_load_nothing_heavy(statement: str) -> None:
    check = f"try:\n {statement}\nexcept SystemExit: pass\nimport sys; print(sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
