# Every target sets up what it needs in .venv; all it asks of the machine is Python 3.11 (or newer), git and make.
# The first of these that is there and new enough; python3 where none is, for the message.
FOUND  = $(shell for name in python3.11 python3.12 python3.13 python3; do \
  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
PYTHON ?= $(or $(FOUND),python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCH  := $(VENV)/.bench-installed
TYPES  := $(VENV)/.types
PIP    := $(BIN)/python -m pip --disable-pip-version-check install -q
NO_PACKAGES := ERROR: pip could not install the packages (its own lines say why). Without a network, name a mirror \
  (PIP_INDEX_URL) or a folder of wheels (PIP_FIND_LINKS, PIP_NO_INDEX=1), and run the same again.

# The tests start hundreds of programs: each source is compiled once, not once a start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo serve test lint style faults bench soak cbsp21 dist release release-dry-run lock docs clean
.DEFAULT_GOAL := help

help:            ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: $(STAMP)  ## the virtual environment in .venv

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "ERROR: $(PYTHON) is no Python 3.11 or newer; install one, or name it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/dev.txt || { echo "$(NO_PACKAGES)" >&2; exit 1; }
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH): $(STAMP) requirements/bench.txt
	$(PIP) --require-hashes -r requirements/bench.txt || { echo "$(NO_PACKAGES)" >&2; exit 1; }
	@touch $@

demo: $(STAMP)   ## the life of a take, on real takes, with the local simulator
	@$(BIN)/sg-hybrid demo

serve: $(STAMP)  ## the practice page, with worker and simulated AI behind it, until Ctrl-C
	@$(BIN)/sg-hybrid demo --serve

lint: style      ## ruff, layers, contracts, the CBSP21 gate, secrets, the workflows, strict types
	$(BIN)/mypy --num-workers auto

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/ci/check_contracts_governance.py --files-only
	$(BIN)/python scripts/ci/check_cbsp21_gate.py --worktree
	$(BIN)/python scripts/ci/secret_scan.py
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

test: style      ## everything; green (the page in a real browser, if there is one or root may install it)
	@sh scripts/browser.sh
	@echo "$(BIN)/mypy & $(BIN)/pytest -n auto --dist loadfile"
	@$(BIN)/mypy > $(TYPES) 2>&1 & types=$$!; $(BIN)/pytest -n auto --dist loadfile; tests=$$?; \
	  wait $$types; types=$$?; cat $(TYPES); exit $$((types + tests))

faults: $(STAMP) ## every crash, disk error and power cut at every system call: a table, exit 1 at a broken promise (FAULTS="--every 5" …)
	$(BIN)/python -m tests.faults --json out/faults.json --write-docs $(FAULTS)

bench: $(BENCH)  ## ratios against a limit or a peer, in one run: a table and benchmarks/results/*.json
	$(BIN)/python -m benchmarks

soak: $(STAMP)   ## 20 minutes of everything that can go wrong; writes its plot and figures into docs/ (SOAK="--minutes 2 …")
	$(BIN)/python -m tests.soak --write-docs $(SOAK)

docs: $(STAMP)   ## regenerate docs/cli/*.txt, docs/openapi.json and the plots
	$(BIN)/python scripts/write_cli_docs.py
	$(BIN)/python scripts/write_api_docs.py
	$(BIN)/python scripts/write_take_plots.py

cbsp21: $(STAMP) ## name the changed files in .cbsp21/patch_input.json (read them first)
	$(BIN)/python scripts/cbsp21/write_patch_input.py

dist: $(STAMP)   ## sdist and wheel in dist/, the same bytes for the same commit
	@git log -1 --format=%ct > /dev/null || { echo "ERROR: make dist dates its files by the last commit; run it in a git clone" >&2; exit 1; }
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/hatchling build -d dist -t sdist -t wheel

release: $(STAMP) ## version, changelog, commit and tag: VERSION=X.Y.Z [RC=N]
	@$(BIN)/python scripts/release.py --version "$(VERSION)" $(if $(RC),--rc "$(RC)")

release-dry-run: $(STAMP) ## what release would do: VERSION=X.Y.Z [RC=N]
	@$(BIN)/python scripts/release.py --version "$(VERSION)" $(if $(RC),--rc "$(RC)") --dry-run

lock:            ## recompile the hashed requirements (needs uv)
	sh scripts/lock.sh

clean:           ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
