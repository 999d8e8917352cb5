# `make help` lists the targets. Targets create the virtual environment that they need. The scripts
# `scripts/install-*` install further programs for tests and benchmarks. `make lock` requires uv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

ITEM ?=
FILE ?=
KILLS ?= 100
DESTINATION ?= local
ASSETS ?= 100000
ITEMS ?= 10000 100000
ROWS ?=
PAIRS ?=
MACHINE ?=
TESTS ?= tests/deployments/test_schedules.py
VENV := .venv
BIN := $(VENV)/bin
# The newest installed Python that the lock files support.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$python; break; }; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOWEST := .venv-lowest
NEWEST := .venv-newest
PGSTAC := .venv-pgstac
# The oldest supported Python: the lowest versions of some packages have no wheels for newer ones.
LOWEST_PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do \
	$$python -c '' 2>/dev/null && { echo $$python; break; }; done)
# The newest installed Python that the project supports, also one of pyenv that is not on the path.
NEWEST_PYTHON ?= $(shell for python in python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3.13) \
	python3.12 $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python3.12) python3.11; do \
	$$python -c '' 2>/dev/null && { echo $$python; break; }; done)
# Tests with the lowest and with the newest versions of the dependencies. `make test-ends` runs those
# that use most of Prefect's API in two to three minutes of a core.
RANGE_TESTS ?= tests/blocks tests/flows tests/deployments
ENDS_TESTS := tests/blocks/test_blocks.py tests/blocks/test_form_rules.py tests/blocks/test_integrations.py \
	tests/deployments/test_deployment_runs.py tests/deployments/test_prefect_yaml.py \
	tests/flows/download/test_integrations.py tests/flows/download/test_item.py \
	tests/flows/execution/test_states_table.py tests/flows/mirror/test_search.py \
	tests/flows/reporting/test_artifacts.py tests/flows/tasks/test_future_parameters.py
# Compiled modules are kept, so that processes start faster.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/run  ## Download example STAC items with a Prefect flow; ITEM=<href> downloads your own item
	@$(BIN)/python examples/demo.py $(if $(ITEM),'$(ITEM)')

.PHONY: ui
ui: $(VENV)/run  ## Show the flow runs of the demo in Prefect's UI; PORT=4200; stop with Ctrl-C
	@PREFECT_HOME=.demo/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false \
	 PREFECT_UI_API_URL=http://127.0.0.1:$(or $(PORT),4200)/api \
	 $(BIN)/python -m prefect_stac_asset.deployments server --host 127.0.0.1 --port $(or $(PORT),4200)

.PHONY: up
up: $(VENV)/run  ## Start a Prefect server, a worker and all deployments; PORT=4200, FILE=mine.yaml, RESET=1, DATABASE=postgresql+asyncpg://…
	@$(BIN)/python -m prefect_stac_asset.deployments up $(if $(FILE),--file '$(FILE)')$(if $(RESET), --reset)

.PHONY: init
init: $(VENV)/run  ## Write a prefect.yaml of your own; FILE=mine.yaml
	@$(BIN)/python -m prefect_stac_asset init --file-only --file '$(or $(FILE),mine.yaml)'

.PHONY: status
status: $(VENV)/run  ## Show processes, next runs and last results of `make up`
	@$(BIN)/python -m prefect_stac_asset.deployments status

.PHONY: service
service: $(VENV)/run  ## Start the server and the worker after each restart of the machine, with systemd
	@$(BIN)/python -m prefect_stac_asset.deployments service $(if $(FILE),--file '$(FILE)')

.PHONY: down
down: $(VENV)/run  ## Stop the server and the worker that `make up` started
	@$(BIN)/python -m prefect_stac_asset.deployments down

# Five processes keep two cores busy, as tests often wait for Prefect. A process takes 10 s of a core to
# collect the tests, and 1 GiB with its Prefect server.
.PHONY: test
test: $(VENV)/dev $(PGSTAC)/run tests/node/node_modules  ## Run the tests of the code; ARGS='-k name' selects tests
	@$(BIN)/python -m pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder --ignore tests/installation $(ARGS)

.PHONY: test-install
test-install: $(VENV)/dev  ## Run the tests of the wheel and of a fresh clone
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/installation $(ARGS)

.PHONY: test-lowest
test-lowest: $(LOWEST)/run  ## Run the schedule tests with the lowest supported dependencies; TESTS='tests/flows' selects others
	@$(LOWEST)/bin/python -m pytest $(TESTS) $(ARGS)

# Tests wait for servers most of the time, so that both run at once.
.PHONY: test-range
test-range:  ## Run the tests of blocks, flows and deployments with the lowest and the newest dependencies
	@$(MAKE) --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) range-lowest range-newest

.PHONY: range-lowest
range-lowest: $(LOWEST)/run  ## Run the tests of `test-range` with the lowest dependencies only
	@$(LOWEST)/bin/python -m pytest $(RANGE_TESTS) $(ARGS)

.PHONY: range-newest
range-newest: $(NEWEST)/run  ## Run the tests of `test-range` with the newest dependencies only
	@cat $(NEWEST)/versions.txt
	@$(NEWEST)/bin/python -m pytest $(RANGE_TESTS) $(ARGS)

.PHONY: test-ends
test-ends:  ## Run some of these tests, as CI does
	@$(MAKE) test-range RANGE_TESTS='$(ENDS_TESTS)'

.PHONY: lint
lint: $(VENV)/dev  ## Check style, types and import directions
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: docs
docs: $(VENV)/dev  ## Build the documentation site into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo 'Open build/site/index.html. The search needs a server: $(BIN)/python -m http.server --directory build/site'

.PHONY: pictures
pictures: $(VENV)/dev  ## Take the screenshots of the documentation, in the light and the dark theme
	@UPDATE_DOCS=1 $(BIN)/python -m pytest tests/browser/test_run_form.py

.PHONY: registry
registry: $(VENV)/dev  ## Write the files for Prefect's collection registry into build/registry
	@$(BIN)/python -m scripts.registry_files

.PHONY: crash
crash: $(VENV)/dev  ## Kill a download repeatedly, and verify that it resumes; KILLS=100, DESTINATION=s3
	@$(BIN)/python -m bench.crash --kills $(KILLS) --destination $(DESTINATION)

.PHONY: soak
soak: $(VENV)/run  ## Download 20,000 assets with faults in 5 % of the requests
	@$(BIN)/python -m bench.soak

.PHONY: scale
scale: $(VENV)/run  ## Run a flow over many assets, and measure the costs; ASSETS=100000
	@$(BIN)/python -m bench.scale --assets $(ASSETS)

.PHONY: audit-check
audit-check: $(VENV)/run  ## Plant 1,000 differences in a mirror of 100,000 items, and audit the mirror
	@$(BIN)/python -m bench.audit

.PHONY: bench-mirror
bench-mirror: $(VENV)/dev  ## Measure runs of a mirror over many items; ITEMS='10000 100000'
	@$(BIN)/python -m bench.mirror_scale --items $(ITEMS)

.PHONY: bench
bench: $(VENV)/dev  ## Run the benchmarks; ROWS='http-small flow' and PAIRS=1 limit the measurement
	@$(BIN)/python -m bench.speed $(ROWS) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(MACHINE),--machine '$(MACHINE)')

.PHONY: lock
lock: $(VENV)/dev  ## Update the lock files
	@scripts/lock

.PHONY: clean
clean:  ## Remove virtual environments, build files and demo data
	@rm -rf $(VENV) $(LOWEST) $(NEWEST) $(PGSTAC) .demo build tests/node/node_modules

# The stamp files record which lock file is installed.
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
	@test -n '$(LOWEST_PYTHON)' || { echo 'Python 3.11 is required. Install it, or set LOWEST_PYTHON.' >&2; exit 1; }
	@$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	@echo 'Installing the packages of requirements-lowest.lock into $(LOWEST) ...'
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements-lowest.lock
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable .
	@touch $@

# The newest dependencies, without a lock file. Remove the folder to install later versions.
$(NEWEST)/run: pyproject.toml scripts/install_newest.py
	@test -n '$(NEWEST_PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is required. Install one, or set NEWEST_PYTHON.' >&2; exit 1; }
	@echo 'Installing the wheel without a lock file into $(NEWEST) ...'
	@$(NEWEST_PYTHON) scripts/install_newest.py $(NEWEST)
	@touch $@

# A STAC API on PostgreSQL for a test. Its dependencies contradict those of Prefect.
$(PGSTAC)/run: tests/pgstac/requirements.lock
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is required. Install one, or set PYTHON.' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(PGSTAC)
	@echo 'Installing the packages of tests/pgstac/requirements.lock into $(PGSTAC) ...'
	@$(PGSTAC)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement tests/pgstac/requirements.lock
	@touch $@

$(VENV)/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is required. Install one, or set PYTHON.' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Node packages with a server and a viewer for tests. Without Node, these tests are skipped.
tests/node/node_modules: tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo 'Installing the packages of tests/node/package-lock.json ...'; \
	  npm ci --prefix tests/node --no-audit --no-fund --loglevel=error; fi
	@mkdir -p $@ && touch $@
