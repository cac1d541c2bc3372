# The verbs of the dev loop. Each makes what it needs; nothing but git, make and Python 3.11+ is needed before.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo samples test check bench bench-peers simulate mutants fuzz format requirements build clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@echo "preparing $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(READY) ## the main job as a story, on this machine
	@$(BIN)/python -m demo $(ARGS)

samples: $(READY) ## a bundle of invented authorities (ARGS="FILE --authorities 250 --contacts 2500 --seed 1")
	@$(BIN)/python -m demo.samples $(ARGS)

test: $(READY) ## every test
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(READY) ## style, types, import contracts, house rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@report=$$($(BIN)/lint-imports --no-logo) || { echo "$$report"; exit 1; }
	@$(BIN)/python -m pytest -p no:randomly tests/house

bench: $(READY) ## measure, into bench/latest.json (ONLY=deliver for one part)
	@$(BIN)/python -m bench $(ONLY)

bench-peers: $(READY) ## measure other systems beside it, where they are installed (long)
	@$(BIN)/python -m bench.comparison $(ONLY)

simulate: $(READY) ## many seeds of the simulated network (SEEDS=300)
	@$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS))

mutants: $(READY) ## plant defects in checks, and see that tests notice (minutes; ARGS="--seconds 60 path")
	@$(BIN)/python -m tests.mutation $(ARGS)

fuzz: $(READY) ## many changed messages against live groups (MUTATIONS=600000)
	@MUTATIONS=$(or $(MUTATIONS),600000) $(BIN)/python -m pytest -n 2 --timeout 1800 tests/protocol/mls/mutations

format: $(READY) ## rewrite in the house style
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

requirements: ## pin the requirement files again
	@$(PYTHON) -m venv $(VENV)/pins && $(VENV)/pins/bin/pip install --quiet -r requirements/tools.in
	@for set in runtime dev; do $(VENV)/pins/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-strip-extras --no-header --no-annotate requirements/$$set.in -o requirements/$$set.txt; done

build: $(READY) ## wheel and sdist into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## remove what the verbs made
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/latest.json
