# The one door to everything that is done with this checkout. Needs python3 (3.11 or
# newer) and make; the rest is fetched. `make` alone says what there is.

PYTHON ?= python3
BIN := .venv/bin
TIERS_ALONE := tests/unit tests/integration
TIERS_TOGETHER := tests/e2e tests/fault

# Tests start many short Python processes; without byte code each compiles anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install pgbouncer servers demo test check lock

help:
	@echo "make demo     move a database under load, on this machine, in about a minute"
	@echo "make install  put everything that Python needs into .venv"
	@echo "make test     all tests, with servers of six major versions"
	@echo "make check    style, types and the floors of the house"
	@echo "make lock     write requirements.lock anew from pyproject.toml"

install:
	@$(PYTHON) infra/install.py venv

pgbouncer:
	@$(PYTHON) infra/install.py pgbouncer

servers:
	@$(PYTHON) infra/install.py servers

demo: install pgbouncer
	@$(BIN)/bluegreen demo

# Two passes: what measures time runs apart from what starts many servers.
test: install pgbouncer servers
	$(BIN)/pytest -n 2 $(TIERS_ALONE)
	$(BIN)/pytest -n 2 $(TIERS_TOGETHER)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit/test_floors.py

lock:
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	  -o requirements.lock
