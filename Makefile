# Every target sets up .venv from the lock file by itself; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo up test test-slow test-browser e2e-compose chaos bench lint format lock clean
.DEFAULT_GOAL := demo

help:  ## what there is to make
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

.venv/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed  ## the main job on embedded databases, with demo data
	$(BIN)/bionicpro demo

up: .venv/.installed  ## embedded databases and the Dagster UI with the schedule on
	$(BIN)/bionicpro up

test: .venv/.installed  ## all tests that need nothing but Python
	$(BIN)/pytest -n 2 --dist loadfile -m "not browser and not slow and not docker"

test-slow: .venv/.installed  ## killed processes and power cuts under `bionicpro up`; some minutes
	$(BIN)/pytest -m slow

test-browser: .venv/.installed  ## the web UI, and the door of the stack, in Chromium; it and nginx must be installed
	$(BIN)/pytest -m browser

e2e-compose: .venv/.installed  ## docker-compose.yml on a real Docker engine, about half an hour
	$(BIN)/pytest -m docker -s

SECONDS ?= 600
chaos: .venv/.installed  ## random histories and killed writers; SECONDS=600, and SEED=… to repeat one
	$(BIN)/python -W ignore -m bionicpro_assets_tests.chaos.run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# What it is measured against needs packages that the platform doesn't: an environment of its own.
.venv-bench/.installed: requirements-bench.lock pyproject.toml
	$(PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

PROSTHESES ?= 30000
READERS ?= 2000
SENDERS ?= 1000
DAYS ?= 0
ROUNDS ?= 3
BARS ?=
bench: .venv-bench/.installed  ## against what people would otherwise use, into docs/benchmarks.md; PROSTHESES=300000 for the full size, BARS=1 for all that has a bar
	.venv-bench/bin/python -W ignore -m bench --prostheses $(PROSTHESES) --readers $(READERS) --senders $(SENDERS) --days $(DAYS) --rounds $(ROUNDS) $(if $(BARS),--bars)

lint: .venv/.installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.installed  ## have ruff put it in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.installed  ## resolve again; hashes, and no index URLs
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --extra kubernetes pyproject.toml -o requirements-kubernetes.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --no-annotate --constraint requirements.lock --extra bench pyproject.toml -o requirements-bench.lock

clean:  ## the environment, the demo's data, and .env if the demo wrote it
	@if head -n 1 .env 2>/dev/null | grep -q 'Written by `bionicpro demo`'; then rm .env; fi
	rm -rf .venv .venv-bench .bionicpro .pytest_cache .mypy_cache .ruff_cache .hypothesis
