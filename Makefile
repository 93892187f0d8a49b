# Python >= 3.11 and make are all that these need: `setup`, on which the others depend, fetches the rest, once.

BIN := .venv/bin
PYTHONS := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11
DEMO := docker compose --project-name cardnet-demo

# Bytecode may be kept: pytest rewrites every test module, which else each of its processes does for itself, every time.
unexport PYTHONDONTWRITEBYTECODE

# Whoever has run out of tests takes some of another's: so each module's network is started once, or nearly so.
SHARED := --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test check bench compose-demo test-containers test-browser engine setup protos format clean

help:
	@echo 'cardnet: make what?'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

demo: setup  ## five services, a few payments, the nine steps on the screen
	@$(BIN)/cardnet demo

test: setup  ## the whole test suite
	@$(BIN)/python -m pytest -n 3 $(SHARED)

check: setup  ## layout, lint, types and the rules of the house
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet tests/house

bench: setup  ## measure what an authorisation costs, its recording, the token service provider, and the live list
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.recording
	@$(BIN)/python -m bench.vault
	@$(BIN)/python -m bench.console --if-possible

compose-demo: engine  ## the same network in containers, and the demo in it; then all of it is removed
	@$(DEMO) build
	@$(DEMO) up --wait
	@$(DEMO) --progress quiet run --rm demo; played=$$?; $(DEMO) down --volumes; exit $$played

test-containers: setup engine  ## the image, the compose file, real Redis, and the manifests for Kubernetes
	@$(BIN)/python -m pytest --quiet tests/deploy
	@$(BIN)/python -m pytest tests/containers

test-browser: setup  ## both ways from a browser to the network, in a real Chromium
	@$(BIN)/python tools/browser.py
	@$(BIN)/python -m pytest -n 2 $(SHARED) tests/browser

engine:  # Docker with Compose, or a sentence about what is missing
	@docker --version >/dev/null 2>&1 || \
	  { echo 'cardnet: docker is missing: install Docker Engine (docs/containers.md)' >&2; exit 1; }
	@docker compose version >/dev/null 2>&1 || \
	  { echo 'cardnet: Docker Compose is missing: install its plugin, version 2.20 or newer' >&2; exit 1; }
	@docker info >/dev/null 2>&1 || \
	  { echo 'cardnet: no container engine answers: start Docker, and see that `docker info` works for you' >&2; exit 1; }

setup:  ## .venv with the locked dependencies, and the generated code (the others see to it)
	@for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$python" tools/bootstrap.py; \
	  fi; \
	done; \
	echo 'cardnet: Python 3.11 or newer is needed, and none of these is: $(strip $(PYTHONS)).' \
	  'Install one, or name yours: make PYTHON=/path/to/python' >&2; \
	exit 1

protos: setup  ## the generated code alone is part of setup: made anew when a proto has changed

format: setup  ## put the layout right, and whatever else ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## remove all that was made here: .venv, generated code, caches
	@rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -f cardnet/v1/*_pb2*.py* cardnet/cde/v1/*_pb2*.py*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
