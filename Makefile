# Everything a person or a CI machine types. `make` alone lists the targets.
# Needs Python >= 3.11 (with venv), make, gcc and git; everything else is installed into .venv from requirements.lock.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := $(CURDIR)/.venv
STAMP := .venv/.installed

# `ganline`, `dvc` and `python` in recipes and in dvc.yaml are the project's own.
export PATH := $(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(VENV)
# No telemetry, ever.
export DO_NOT_TRACK := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true

# A .venv that was moved with the checkout does not work: its stamp names the folder it was made in.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.PHONY: help
help: ## List these targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

.PHONY: run
run: $(STAMP) ## Set up, run the whole line (dvc repro), and say where the results are
	dvc repro
	@ganline summary

.PHONY: setup
setup: $(STAMP) ## Create .venv and install the pinned set; quick when nothing changed

$(STAMP): requirements.lock pyproject.toml
	@rm -f $@
	@if ! [ "$$(.venv/bin/python -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$(VENV)" ]; then \
	  for python in $(PYTHON) python3.11 python3 python; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: no Python 3.11 or newer found (tried: $(PYTHON) python3.11 python3 python); install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; \
	  fi; \
	  echo "creating .venv with $$found ($$("$$found" --version))"; \
	  "$$found" -m venv --clear .venv || { echo "make: $$found cannot make virtual environments; on Debian or Ubuntu install its -venv package" >&2; exit 2; }; \
	fi
	@uv=$$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock); \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "$$uv"
	@.venv/bin/uv pip install --compile-bytecode --python .venv/bin/python -r requirements.lock \
	|| { echo "make: uv failed; trying pip, which reads pip.conf and is slower" >&2; \
	     .venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@

.PHONY: test
test: lint ## Set up, then lint, check formatting and types, and run the tests (under 15 minutes)
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile -m "not slow"

.PHONY: test-all
test-all: lint ## The same with the tests that take over a minute each
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

.PHONY: lint
lint: $(STAMP) ## Linter, formatter check and type checker
	ruff check
	ruff format --check
	mypy

.PHONY: format
format: $(STAMP) ## Format the code and apply the linter's safe fixes
	ruff check --fix
	ruff format

.PHONY: schedule
schedule: $(STAMP) ## Serve the schedule of prefect.yaml in the foreground: server (unless PREFECT_API_URL is set), pool, worker
	@exec python -m flows.schedule

.PHONY: lock
lock: $(STAMP) ## Resolve pyproject.toml anew into requirements.lock (needs a network); `make lock UPGRADE=--upgrade` takes newer versions
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra dev -o requirements.lock \
	  --no-header --no-annotate $(UPGRADE)

.PHONY: clean
clean: ## Remove .venv and caches of tools; data, results, DVC's cache and checkpoints stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
