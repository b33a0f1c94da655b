# The one task list; .ci/run calls it. Every target makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help install run test lint bench recompute docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; make PYTHON=/path/to/python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[extract,train,workflow,demo,dev]'
	@# type checkers do not see the package mapping of pyproject.toml
	@ln -sfn ../features affectstore/features
	@ln -sfn ../models affectstore/models
	@touch $@

install: .venv/installed ## make .venv with everything in it

run: .venv/installed ## build TARGET (default: the tables that config.yaml names)
	$(BIN)/affectstore run $(TARGET)

test: .venv/installed ## run the tests
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lint: .venv/installed ## check style, types and workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow rules
	$(BIN)/python .ci/lint_workflow.py

bench: .venv/installed ## measure the budgets, side by side with the bare library calls
	$(BIN)/python -m benchmarks.run

recompute: .venv/installed ## print what each kind of change makes run again
	$(BIN)/python -m pytest tests/workflow/test_recompute.py --recompute-table=docs/recompute.md

docs: .venv/installed ## write the generated parts of docs/
	$(BIN)/python -m affectstore.reference

clean: ## remove what was built, but not .venv
	rm -rf results logs benchmarks/out .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
