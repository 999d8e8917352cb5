# What there is: `make help`. Every target sets up what it needs; nothing but Python is assumed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

ITEM ?=
KILLS ?= 100
ASSETS ?= 100000
ROWS ?=
TURNS ?=
TESTS ?= tests/deployments/test_schedules.py
VENV := .venv
BIN := $(VENV)/bin
# The newest Python that the lock was made for.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$python; break; }; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOWEST := .venv-lowest
# The oldest supported Python, since the lowest versions of some packages have no wheels for newer ones.
LOWEST_PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do \
	$$python -c '' 2>/dev/null && { echo $$python; break; }; done)
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: help
help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/run  ## Download STAC items through a Prefect flow; ITEM=<href> for one of your own
	@$(BIN)/python examples/demo.py $(if $(ITEM),'$(ITEM)')

.PHONY: ui
ui: $(VENV)/run  ## Show the demo's flow runs in Prefect's UI, until Ctrl-C
	@PREFECT_HOME=.demo/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false \
	 $(BIN)/prefect server start --host 127.0.0.1 --port 4200

.PHONY: up
up: $(VENV)/run  ## Start a server, a worker and all deployments; PORT=4200, DATABASE=postgresql+asyncpg://…
	@$(BIN)/python -m prefect_stac_asset.deployments up

.PHONY: down
down: $(VENV)/run  ## End what make up started
	@$(BIN)/python -m prefect_stac_asset.deployments down

.PHONY: test
test: $(VENV)/dev tests/node/node_modules  ## Run all tests; ARGS='-k name' for some
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

.PHONY: test-lowest
test-lowest: $(LOWEST)/run  ## Run the schedule tests with the lowest versions of the dependencies; TESTS='tests/flows' for others
	@$(LOWEST)/bin/python -m pytest $(TESTS) $(ARGS)

.PHONY: lint
lint: $(VENV)/dev  ## Check style, types and the directions of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: crash
crash: $(VENV)/run  ## Kill a download again and again, and count what that costs; KILLS=100
	@$(BIN)/python -m bench.crash --kills $(KILLS)

.PHONY: soak
soak: $(VENV)/run  ## Download 20,000 assets with a fault in one request of twenty
	@$(BIN)/python -m bench.soak

.PHONY: scale
scale: $(VENV)/run  ## Run a flow over very many assets, and count what that costs; ASSETS=100000
	@$(BIN)/python -m bench.scale --assets $(ASSETS)

.PHONY: bench
bench: $(VENV)/dev  ## Measure the library and its peers; ROWS='http-small flow' TURNS=1 for less
	@$(BIN)/python -m bench.speed $(ROWS) $(if $(TURNS),--turns $(TURNS))

.PHONY: lock
lock: $(VENV)/dev  ## Pin the dependencies anew
	@scripts/lock

.PHONY: clean
clean:  ## Remove the environment, and what the demo left
	@rm -rf $(VENV) $(LOWEST) .demo build tests/node/node_modules

# The stamps say what is installed; they are as new as the lock that was installed.
$(VENV)/run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo 'Installing the packages of requirements.lock into $(VENV) ...'
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo 'Installing the packages of requirements-dev.lock into $(VENV) ...'
	@$(PIP) --require-hashes --requirement requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/run

$(LOWEST)/run: requirements-lowest.lock pyproject.toml
	@test -n '$(LOWEST_PYTHON)' || { echo 'Python 3.11 is needed: install it, or set LOWEST_PYTHON' >&2; exit 1; }
	@$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	@echo 'Installing the packages of requirements-lowest.lock into $(LOWEST) ...'
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements-lowest.lock
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is needed: install one, or set PYTHON' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Servers that tests need and that come as Node packages; without Node those tests are skipped.
tests/node/node_modules: tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo 'Installing the packages of tests/node/package-lock.json ...'; \
	  npm ci --prefix tests/node --no-audit --no-fund --loglevel=error; fi
	@mkdir -p $@ && touch $@
