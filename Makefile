# `make demo` and `make test` need nothing but Python 3.11: everything else is installed into .venv.
.DEFAULT_GOAL := help
.PHONY: help demo up train test test-faults test-browser test-deploy test-containers bench bench-long lint types unit audit lock rules clean

BIN := .venv/bin
READY := .venv/.ready
# What `make unit` runs; continuous integration runs the folders side by side.
TESTS := tests/integration tests/unit
# They take a file at a time, as each is done; 0: pytest itself. The short files of tests/unit fill up the end.
PROCESSES := 2
# Linters and schemas of the deployment's files: programs, apart from the environment that serves.
TOOLS := .run/tools
# The stages and the services call `python`: it must be the environment's.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(TOOLS)/bin:$(PATH)

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY)  ## A batch of sample products all the way through the service
	python -m stack.demo

up: $(READY)  ## The whole service on this machine, until Ctrl-C
	python -m stack.up

train: $(READY)  ## Run the training pipeline's stages that params.yaml or the code has changed
	dvc repro

test: lint types unit  ## Lint, types and the tests but for the slow ones of test-faults

test-faults: $(READY)  ## What may fail, and what must then be true: real processes are killed
	pytest tests/faults

test-browser: $(READY)  ## The pages that a training leaves, in a headless Chromium without a network
	pytest tests/browser

test-deploy: $(READY) $(TOOLS)/.ready  ## The deployment's files: linted, and against their schemas
	pytest tests/deploy

test-containers: $(READY) $(TOOLS)/.ready  ## The images and the stack of docker-compose.yml, for real: needs a Docker engine
	pytest tests/containers

# BENCH="--pictures FOLDER --titles CSV" measures real products; see python -m benchmarks.all --help
bench: $(READY)  ## What is fast, in under ten minutes: .run/bench/results.md
	python -m benchmarks.contenders.setup
	python -m benchmarks.all --short --output .run/bench/results $(BENCH)

bench-long: $(READY)  ## The same at length, in hours: benchmarks/results.md
	python -m benchmarks.contenders.setup
	python -m benchmarks.all $(BENCH)

lint: $(READY)  ## ruff and the import rules
	ruff check .
	ruff format --check .
	lint-imports
	cd client && lint-imports

types: $(READY)  ## mypy, strict
	mypy

unit: $(READY)  ## Unit and integration tests: with a real Redis, a real worker and a real MLflow
	pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

audit: $(READY)  ## bandit on the code; known vulnerabilities of what requirements.lock pins
	.ci/audit

lock: $(READY)  ## Resolve the dependencies anew into requirements.lock
	uv pip compile pyproject.toml client/pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml client/pyproject.toml --extra worker --extra cli --extra s3 --extra tracing --group gpu \
		--constraint requirements.lock --python-version 3.11 --python-platform x86_64-manylinux_2_34 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements-gpu.lock
	uv pip compile --group deploy --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements-deploy.lock

rules:  ## Keep a cluster's alerts the same as deploy/monitoring/alerts.yml
	deploy/monitoring/for-operator.sh > deploy/kubernetes/components/monitoring/rules.yaml

clean:  ## Remove the environment and what runs have left, but no data and no models
	rm -rf .venv .run .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(TOOLS)/.ready: $(READY) requirements-deploy.lock
	uv venv --quiet --clear $(TOOLS)
	UV_SYSTEM_CERTS=true uv pip sync --quiet --python $(TOOLS)/bin/python --require-hashes requirements-deploy.lock
	@touch $@

$(READY): setup_project.sh requirements.lock pyproject.toml client/pyproject.toml
	./setup_project.sh
	@touch $@
