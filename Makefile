# Two commands do everything: `make run` and `make test`. Both set up `.venv` first, with plain pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?= v1 v2
# pip does this for a package that is not editable
COMPILE = $(BIN)/python -m compileall -q ucseg_cli
PIP_INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt

# rooms whose tests run on stored traces, without torch
TORCH_FREE = $(addprefix tests/,analysis cli commands project references report test_golden.py)

.PHONY: run test test-fast test-slow lint budgets check bench update-golden update-traces clean

run: $(VENV)/.run  ## set up, then compare the real networks
	$(BIN)/ucseg compare $(MODELS)

test: $(VENV)/.dev  ## set up, then run every test but the slow ones
	$(BIN)/python -m pytest -n auto -m "not slow"

test-fast: $(VENV)/.dev  ## the tests that need no torch, in seconds
	$(BIN)/python -m pytest -n auto -m "not torch" $(TORCH_FREE)

test-slow: $(VENV)/.dev  ## every network that torchvision lists, checked against published figures and other counters
	$(BIN)/python -m pytest -n auto -m slow

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

budgets: $(VENV)/.run  ## check our own networks against their budgets and lock
	$(BIN)/ucseg check --locked

check: lint test test-slow budgets  ## what CI runs

bench: $(VENV)/.dev  ## the speed we promise, as ratios measured side by side
	$(COMPILE)
	$(BIN)/python bench/bench.py

update-golden: $(VENV)/.dev  ## rewrite the golden screens and the README's, then look at the diff
	$(BIN)/python -m pytest -n auto --update-golden

update-traces: $(VENV)/.dev  ## record the traces anew that tests without torch run on
	$(BIN)/python -m pytest --update-traces -m "not torch" $(TORCH_FREE)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP_INSTALL) --editable .
	$(COMPILE)
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@
