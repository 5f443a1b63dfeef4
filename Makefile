# `make demo` and `make test` need only Python 3.11 to 3.13: everything else is installed into .venv.
.DEFAULT_GOAL := help
.PHONY: help demo up backup train test test-faults test-browser test-deploy test-containers bench bench-long lint types unit audit lock rules clean

BIN := .venv/bin
READY := .venv/.ready
# What `make unit` runs; continuous integration runs the folders side by side.
TESTS := tests/integration tests/unit
# For the tests there and the fault tests. Each process takes the next file when it has finished one; 0 runs everything
# in pytest's own process. The short files of tests/unit come last, so the processes end together.
PROCESSES := 2
# Linters and schemas for the deployment's files, apart from the environment that serves.
TOOLS := .run/tools
# The stages and the services call `python`: it must be the environment's.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(TOOLS)/bin:$(PATH)

help:  ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY)  ## Send a batch of sample products through the whole service
	python -m stack.demo

# RESTORE=FOLDER-OR-URL restores a backup first
up: $(READY)  ## Run the whole service on this machine, until Ctrl-C
	python -m stack.up $(if $(RESTORE),--restore "$(RESTORE)")

backup: $(READY)  ## Save what `make up` keeps while it runs: make backup TO=FOLDER-OR-URL
	set -a; . .run/up/settings.env; catalog-run backup "$(TO)"

train: $(READY)  ## Run the training stages affected by changes to params.yaml, data or code
	dvc repro

test: lint types unit  ## Run lint, types, and all tests except the slow ones below

test-faults: $(READY)  ## Run the fault tests: kill real processes and check that nothing is lost
	pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder tests/faults

test-browser: $(READY)  ## Open the console and a training's pages in a headless Chromium; needs chromium and tsc
	pytest tests/browser

test-deploy: $(READY) $(TOOLS)/.ready  ## Validate the deployment's files, and generate clients of the API
	pytest tests/deploy tests/generators

test-containers: $(READY) $(TOOLS)/.ready  ## Build the images and run the stack of docker-compose.yml; needs a Docker engine
	pytest tests/containers

# BENCH="--pictures FOLDER --titles CSV" measures real products; see python -m benchmarks.all --help
bench: $(READY)  ## Run the short benchmarks, which take a quarter of an hour and write .run/bench/results.md
	python -m benchmarks.contenders.setup
	python -m benchmarks.all --short --output .run/bench/results $(BENCH)

bench-long: $(READY)  ## Run the long benchmarks, which take hours and write benchmarks/results.md
	python -m benchmarks.contenders.setup
	python -m benchmarks.all $(BENCH)

lint: $(READY)  ## Check the code with ruff, bandit, the import rules and the check of English
	ruff check .
	ruff format --check .
	bandit --quiet --configfile pyproject.toml --recursive api client shared stack training worker
	lint-imports
	cd client && lint-imports
	.ci/prose

types: $(READY)  ## Check types with mypy in strict mode
	mypy

unit: $(READY)  ## Run unit and integration tests with a real Redis, worker and MLflow
	pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

audit: $(READY)  ## Look for known vulnerabilities of the locked packages
	.ci/audit

lock: $(READY)  ## Resolve the dependencies again into requirements.lock
	uv pip compile pyproject.toml client/pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml client/pyproject.toml --extra worker --extra cli --extra s3 --extra tracing --group gpu \
		--constraint requirements.lock --python-version 3.11 --python-platform x86_64-manylinux_2_34 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements-gpu.lock
	uv pip compile --group deploy --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements-deploy.lock

rules:  ## Copy the alerts of deploy/monitoring/alerts.yml to the cluster's manifest
	deploy/monitoring/for-operator.sh > deploy/kubernetes/components/monitoring/rules.yaml

clean:  ## Remove the environment and temporary files, but no data and no models
	rm -rf .venv .run .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(TOOLS)/.ready: $(READY) requirements-deploy.lock
	uv venv --quiet --clear $(TOOLS)
	UV_SYSTEM_CERTS=true uv pip sync --quiet --python $(TOOLS)/bin/python --require-hashes requirements-deploy.lock
	@touch $@

$(READY): setup_project.sh requirements.lock pyproject.toml client/pyproject.toml
	./setup_project.sh
	@touch $@
