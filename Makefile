# The commands of the project; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

.PHONY: help run test test-quick test-long lint audit sbom fix lock clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:  ## set up what is missing and serve the demo on http://127.0.0.1:8000/ (PORT=… for another)
	@.ci/setup app
	@exec $(PY) manage.py run --demo

test:  ## lint, types, the whole suite on SQLite and on PostgreSQL, the browser tests
	@.ci/setup dev
	@exec .ci/test

test-quick:  ## the suite on SQLite only, without the browser
	@.ci/setup dev
	@exec .ci/test quick

test-long:  ## the long forms (100,000 mutated files, 256 writers, every guard away) on both databases: hours
	@.ci/setup dev
	@FUZZ_MUTANTS=100000 LONG=1 exec .ci/test long

lint:  ## lint and types only
	@.ci/setup dev
	@exec .ci/test lint

audit:  ## refuse locked or installed packages with known holes, or an old list of holes
	@.ci/setup app
	@$(PY) .ci/audit.py

sbom:  ## write var/sbom.json: every package with licence and cage (CycloneDX 1.6)
	@.ci/setup app
	@$(PY) .ci/sbom.py

fix:  ## order imports, format Python and templates
	@.ci/setup dev
	@.venv/bin/ruff check --fix-only -q .
	@.venv/bin/ruff format -q .
	@.venv/bin/djlint --quiet --reformat templates || true # it returns 1 when it changed a file

lock:  ## pin and hash the requirements anew from requirements/*.in
	@.ci/setup lock

clean:  ## remove .venv and caches, never var/
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
