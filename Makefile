# The one door to everything that is done with this checkout. Needs python3 (3.11 or
# newer) and make; the rest is fetched. `make` alone says what there is.

PYTHON ?= python3
BIN := .venv/bin
TIERS_ALONE := tests/unit tests/integration
TIERS_TOGETHER := tests/e2e tests/fault

# Tests start many short Python processes; without byte code each compiles again.
export PYTHONDONTWRITEBYTECODE :=

SECONDS ?= 0
SEED ?= $(shell date +%s)

.PHONY: help install pgbouncer servers demo test test-all fault soak check fuzz pages \
	docs lock

help:
	@echo "make demo     move a database under load, on this machine, in about a minute"
	@echo "make install  put everything that Python needs into .venv"
	@echo "make test     the tests, large sets sampled, with servers of six major versions"
	@echo "make test-all every case and every mutant; goes on where it was cut short"
	@echo "make fault    every fault at every point of a move: hours; SECONDS= SEED= PAST="
	@echo "make soak     flips under load without end; SECONDS= SEED="
	@echo "make check    style, types, the floors of the house, the docs' links"
	@echo "make pages    write the pages that come from the code, and the JSON schema"
	@echo "make fuzz     grow playbooks that break the reader; SECONDS= and SEED="
	@echo "make docs     build the site of the docs, with every link followed"
	@echo "make lock     write requirements.lock again from pyproject.toml"

install:
	@$(PYTHON) infra/install.py venv

pgbouncer:
	@$(PYTHON) infra/install.py pgbouncer

servers:
	@$(PYTHON) infra/install.py servers

demo: install pgbouncer
	@$(BIN)/bluegreen demo

# Two passes: what measures time runs apart from what starts many servers, which waits
# for them more than it works, so that two cores bear three of it. Large sets of cases
# are sampled; the first lines name the seed, SEED=N repeats it.
test: install pgbouncer servers
	$(BIN)/pytest -n 3 $(TIERS_ALONE)
	$(BIN)/pytest -n 2 $(TIERS_TOGETHER)

# Every case. Cut short and called again, it goes on after what has passed.
test-all: export TESTS := all
test-all: install pgbouncer servers
	$(BIN)/pytest -n 2 --resume .cache/passed-alone $(TIERS_ALONE)
	$(BIN)/pytest -n 2 --resume .cache/passed-together --timeout 3600 $(TIERS_TOGETHER)
	$(BIN)/python -m tests.mutants

# The last line of each is JSON. SECONDS=0 is all of the matrix, or an hour of flips;
# PAST=file keeps what the matrix has tried, and the next call with it goes on from there.
fault: install pgbouncer servers
	@status=0; \
	HISTORIES=50000 $(BIN)/pytest -q -n 2 --timeout 36000 tests/fault \
	  --ignore tests/fault/test_matrix.py --ignore tests/fault/test_flips.py \
	  || status=1; \
	$(BIN)/python -m tests.mutants || status=1; \
	STOP_S=30 $(BIN)/python -m tests.fault.matrix --doubles 200 \
	  --seconds $(SECONDS) --seed $(SEED) $(if $(PAST),--past $(PAST)) || status=1; \
	exit $$status

soak: install pgbouncer servers
	@$(BIN)/python -m tests.fault.soak --seconds $(SECONDS) --seed $(SEED)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -qq --collect-only tests >$(or $(TMPDIR),/tmp)/collected || \
	  { tail -n 20 $(or $(TMPDIR),/tmp)/collected; false; }
	$(BIN)/pytest -q tests/unit/test_floors.py tests/unit/test_site.py

pages: install
	$(BIN)/python -m bluegreen.playbook.reference
	$(BIN)/python -m bluegreen.lint.pages docs/lint
	$(BIN)/python -m bluegreen.cli.reference
	$(BIN)/python -m bluegreen.cli.findings
	$(BIN)/python -m bluegreen.schedule.examples infra

fuzz: install
	@$(BIN)/python -m tests.fuzz.playbook --seed $(SEED) \
	  --seconds $(or $(filter-out 0,$(SECONDS)),600)

# Into build/site. Needs no network; a link or an anchor that leads nowhere fails.
docs: export NO_MKDOCS_2_WARNING := 1
docs: install
	$(BIN)/mkdocs build --strict

lock:
	uv pip compile pyproject.toml --extra dev --extra docs --universal --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	  -o requirements.lock
