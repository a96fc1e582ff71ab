# Two commands do everything: `make run` and `make test`. Both set up `.venv` first, with plain pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS ?= v1 v2
# pip does this for a package that is not editable
COMPILE = $(BIN)/python -m compileall -q ucseg_cli
PIP_INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt

# a worker keeps neighbours, which share traces, until the other has none left
PARALLEL = -n auto --dist worksteal

# rooms whose tests run on stored traces, without torch
TORCH_FREE = $(addprefix tests/,analysis cli commands project references report test_golden.py)

.PHONY: run test test-fast test-slow test-oldest test-newest test-wheel fuzz lint budgets check bench update-golden update-traces clean

run: $(VENV)/.run  ## set up, then compare the real networks
	$(BIN)/ucseg compare $(MODELS)

test: $(VENV)/.dev  ## set up, then run every test but the slow ones
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-fast: $(VENV)/.dev  ## the tests that need no torch, in seconds
	$(BIN)/python -m pytest $(PARALLEL) -m "not torch" $(TORCH_FREE)

test-slow: $(VENV)/.dev  ## networks of libraries, checked against published figures and other counters
	$(BIN)/python -m pytest $(PARALLEL) -m slow

test-wheel: $(VENV)/.dev  ## build the wheel and run what is in it, away from this folder
	rm -rf $(VENV)/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(VENV)/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/wheel/installed $(VENV)/wheel/*.whl
	cd $(VENV)/wheel && PYTHONPATH=installed ../bin/python -P -c "import ucseg_cli; print(ucseg_cli.__file__)" | grep wheel/installed
	cd $(VENV)/wheel && for words in "compare v1 v2 --export-html page.html" "explain reach" "completion zsh" "completion fish"; do \
		PYTHONPATH=installed ../bin/python -P -m ucseg_cli $$words > /dev/null || exit 1; done

test-oldest: OLD = torch==2.6.0 torchvision==0.21.0
test-oldest:  ## every test on the oldest torch that is admitted, in an environment of its own
	$(call TEST_WITH,$(OLD))

test-newest: NEW = torch torchvision
test-newest:  ## every test on the newest torch on the index, in an environment of its own
	$(call TEST_WITH,$(NEW))

# the pair first, and held: some pins of constraints.txt contradict what this torch needs
define TEST_WITH
	rm -rf .venv-pair
	$(PYTHON) -m venv .venv-pair
	.venv-pair/bin/python -m pip install --quiet $(1)
	.venv-pair/bin/python -m pip freeze > .venv-pair/pair.txt
	sed 's/^/^/; s/==.*/==/' .venv-pair/pair.txt | grep -vif - constraints.txt > .venv-pair/rest.txt
	.venv-pair/bin/python -m pip install --quiet --constraint .venv-pair/pair.txt \
		--constraint .venv-pair/rest.txt --editable '.[dev]'
	grep '^torch' .venv-pair/pair.txt
	.venv-pair/bin/python -m pytest $(PARALLEL) -m "not slow" -rfEs
endef

fuzz: INPUTS = 2000
fuzz: SEED = 1
fuzz: $(VENV)/.dev  ## hostile input by the thousand, which takes an hour; SEED=2 tries others
	$(BIN)/python tests/fuzzing/fuzz.py command-lines --inputs $$((5 * $(INPUTS))) --seed $(SEED)
	$(BIN)/python tests/fuzzing/fuzz.py configurations locks checkpoints --inputs $(INPUTS) --seed $(SEED)
	$(BIN)/python tests/fuzzing/fuzz.py cache-entries answers --inputs $(INPUTS) --seed $(SEED)
	$(BIN)/python tests/fuzzing/fuzz.py kills --inputs $$(($(INPUTS) / 4)) --seed $(SEED)

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

budgets: $(VENV)/.run  ## check our own networks against their budgets and lock, and our pages against them
	$(BIN)/ucseg check --locked --docs 'docs/*.md'

check: lint test test-slow test-wheel budgets  ## what CI runs

bench: $(VENV)/.dev  ## the speed we promise, as ratios measured side by side
	$(COMPILE)
	$(BIN)/python bench/bench.py

update-golden: $(VENV)/.dev  ## rewrite the golden screens and the README's, then look at the diff
	$(BIN)/python -m pytest $(PARALLEL) --update-golden

update-traces: $(VENV)/.dev  ## record the traces anew that tests without torch run on
	$(BIN)/python -m pytest --update-traces -m "not torch" $(TORCH_FREE)

clean:
	rm -rf $(VENV) .venv-pair .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP_INSTALL) --editable .
	$(COMPILE)
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@
