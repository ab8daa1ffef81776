# Everything a newcomer types. Needs Python 3.11 or later and make; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: docs help setup demo run test check format lock bench clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "crossoi needs Python 3.11 or later: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP)  ## the environment, in .venv

demo: $(STAMP)  ## the whole product against the simulator, until Ctrl-C
	$(BIN)/crossoi demo

run: $(STAMP)  ## the whole product against the real venues, until Ctrl-C
	$(BIN)/crossoi serve

test: $(STAMP)  ## the tests
	$(BIN)/python -m pytest -n 2 -q

check: $(STAMP)  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)  ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --constraint requirements.constraints --upgrade -o requirements.lock

bench: $(STAMP)  ## ratios to a stated floor: a table, and bench/results.json
	$(BIN)/python -m bench

docs: $(STAMP)  ## renew the generated parts of docs/; its examples: docs/examples.py
	$(BIN)/python docs/generate.py

clean:  ## the environment and caches; never data
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .import_linter_cache
