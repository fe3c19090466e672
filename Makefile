# Each target does its own set-up: the packages pinned in requirements.lock go
# into a virtual environment, made anew when the lock or pyproject.toml changes.
# With uv on the PATH that takes seconds; without it pip does the same.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run on the CPU unless JAX_PLATFORMS says otherwise.
PYTEST := JAX_PLATFORMS=$${JAX_PLATFORMS:-cpu} $(BIN)/python -m pytest
PARALLEL := -n $(JOBS) --dist worksteal
# The second line of `lint`: what a public function returns is written down.
PUBLIC_RETURNS := --select ANN201,ANN204,ANN205,ANN206 \
  --config 'lint.flake8-annotations.ignore-fully-untyped = false'

.PHONY: test contract report results docs bench lint format lock clean help

test: lint  ## Lint, then doctests and all tests, on JOBS processes.
	$(PYTEST) $(PARALLEL)

# What holds for every estimator; the formulas of each are left to `test`.
CONTRACT := contract streams mesh lowering precision errors derivatives dtypes \
  recursion affine_segment own_cells negative_controls

contract: $(STAMP)  ## Contract tests of the estimators, and what reads jaxprs.
	$(PYTEST) $(PARALLEL) -k "not Liveness" tests/sparsity_test.py \
	  $(CONTRACT:%=tests/estimators/%_test.py) \
	  tests/experiments/rtrl_vs_tbptt/cost_test.py

report: $(STAMP)  ## Every study into runs/report; FULL=1 for published sizes.
	$(BIN)/python -m launch.reproduce $(if $(FULL),--full)

results: $(STAMP)  ## After `report`: keep in docs/results what the site shows.
	$(BIN)/python -m docs.publish

docs: $(STAMP)  ## The documentation into build/docs/html, offline.
	JAX_PLATFORMS=cpu $(BIN)/python -m docs.build

bench: $(STAMP)  ## Time the estimators against each other.
	$(BIN)/python -m benchmarks.run

lint: $(STAMP)  ## Check rules and formatting; change nothing.
	$(BIN)/ruff check
	$(BIN)/ruff check $(PUBLIC_RETURNS)
	$(BIN)/ruff format --check

format: $(STAMP)  ## Format, and fix what can be fixed by rule.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Keeps the versions already pinned; UPGRADE=1 moves all to the newest.
lock:  ## Pin the dependencies of pyproject.toml; UPGRADE=1 for the newest.
	command -v uv >/dev/null || { $(PYTHON) -m venv .venv-lock && \
	  .venv-lock/bin/python -m pip install -qq uv; }
	PATH="$$PATH:$(CURDIR)/.venv-lock/bin" uv pip compile pyproject.toml \
	  --universal --group test --annotation-style line --quiet \
	  --custom-compile-command 'make lock' \
	  $(if $(UPGRADE),--upgrade) --output-file requirements.lock

clean:  ## Remove environments and caches; runs/ stays.
	rm -rf .venv .venv-next .venv-lock build dist
	rm -rf .hypothesis .pytest_cache .ruff_cache
	find nnfun experiments launch benchmarks examples docs tests -name __pycache__ -prune \
	  -exec rm -rf {} +

help:  ## Print this list.
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/\1\t\2/p' Makefile | expand -t 10
	@echo "Settings: PYTHON=$(PYTHON) VENV=$(VENV) JOBS=$(JOBS)"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) \
	  else "nnfun needs Python 3.11 or later, got " + sys.version \
	  + "; choose another with PYTHON=...")'
	@test ! -e $(VENV) || test -f $(VENV)/pyvenv.cfg || \
	  { echo "VENV=$(VENV) exists and is no virtual environment"; exit 1; }
	@echo "Installing requirements.lock into $(VENV)"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --clear --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python \
	    -r requirements.lock; \
	else \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check \
	    -r requirements.lock; \
	fi
	@touch $@
