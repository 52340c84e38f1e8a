# The commands people type. Each sets up what it needs; a second time is fast.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DEPENDENCIES := pyproject.toml constraints.txt
# Where it lies; where it is not installed, a place where it never will.
POSTGRES := $(firstword $(wildcard /usr/lib/postgresql/*/bin/initdb) /usr/lib/postgresql/bin/initdb)

.PHONY: help install demo dev test bench lint docs format clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

$(VENV)/python:
	@for python in python3 python3.13 python3.12 python3.11; do
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
			"$$python" -m venv --clear $(VENV)
			touch $@
			exit 0
		fi
	done
	echo "Perdure needs Python 3.11 to 3.14 with its venv module: install one and try again." >&2
	exit 1

$(VENV)/installed: $(VENV)/python $(DEPENDENCIES)
	@echo "Installing into $(VENV) …"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[anthropic,dev,local,openai]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed $(DEPENDENCIES)
	@echo "Installing what the tests need …"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

install: $(VENV)/installed ## Create .venv and install with the embedded providers

demo: install ## Analyse the sample call: no key, no question asked
	@$(BIN)/perdure demo

dev: install ## Temporal, a worker and the API in one terminal, until Ctrl-C
	@$(BIN)/perdure dev

# flite speaks the calls that tests and benchmarks analyse, PostgreSQL keeps their ledger as SQLite
# does; without them they say what they leave out.
/usr/bin/flite: PACKAGE := flite
$(POSTGRES): PACKAGE := postgresql
/usr/bin/flite $(POSTGRES):
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get install --yes --quiet $(PACKAGE) >/dev/null 2>&1 ||
			{ apt-get update --quiet >/dev/null && apt-get install --yes --quiet $(PACKAGE) >/dev/null; } ||
			echo "$(PACKAGE) can't be installed; what needs it will be skipped." >&2
	fi

test: $(VENV)/installed-test | /usr/bin/flite $(POSTGRES) ## Run the whole test suite
	@$(BIN)/pytest

bench: $(VENV)/installed-test | /usr/bin/flite $(POSTGRES) ## Measure what is claimed about speed and quality
	@$(BIN)/python -m benchmarks

lint: $(VENV)/installed-test ## Run all static checks
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports

docs: install ## Write the pages that are made from the code
	@$(BIN)/python -m pipelines.reference docs/reference/definition.md

format: $(VENV)/installed-test ## Format the code
	@$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

clean: ## Remove what make and perdure made
	@rm -rf $(VENV) .perdure benchmarks/results.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
