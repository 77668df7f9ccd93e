# The tasks of people and of CI. `make` alone lists the targets.
# Needs Python >= 3.11 (with venv), make, gcc and git. Everything else is installed into .venv from requirements.lock.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := $(CURDIR)/.venv
STAMP := .venv/.installed
DOCS_STAMP := .venv/.installed-docs

# Recipes and dvc.yaml use `ganline`, `dvc` and `python` from .venv.
export PATH := $(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(VENV)
# No telemetry, ever.
export DO_NOT_TRACK := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false
export ORT_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true

# Install a lock file; pip takes over if uv fails, for example because only pip.conf names the mirror.
define install
@.venv/bin/uv pip install --compile-bytecode --python .venv/bin/python -r $(1) \
|| { echo "make: uv failed; trying pip, which reads pip.conf and is slower" >&2; \
     .venv/bin/python -m pip install --disable-pip-version-check -r $(1); }
endef

# A virtual environment cannot be moved, so the stamp holds the folder in which it was created.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.PHONY: help
help: ## List these targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

.PHONY: run
run: $(STAMP) ## Set up, run all stages (dvc repro) and print where the results are
	dvc repro
	@ganline summary

.PHONY: setup
setup: $(STAMP) ## Create .venv and install the pinned packages; does nothing if they are up to date

$(STAMP): requirements.lock pyproject.toml
	@rm -f $@
	@if ! [ "$$(.venv/bin/python -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$(VENV)" ]; then \
	  for python in $(PYTHON) python3.11 python3 python; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: no Python 3.11 or newer found (tried: $(PYTHON) python3.11 python3 python); install one, or set: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; \
	  fi; \
	  echo "creating .venv with $$found ($$("$$found" --version))"; \
	  "$$found" -m venv --clear .venv || { echo "make: $$found cannot create virtual environments; on Debian or Ubuntu install its -venv package" >&2; exit 2; }; \
	fi
	@uv=$$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock); \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "$$uv"
	$(call install,requirements.lock)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@

# Three workers keep two cores busy: tests of the flows and of the service mostly wait.
PYTEST := OMP_NUM_THREADS=1 pytest -n 3 --dist loadfile --durations=30

.PHONY: test
test: style ## Set up, lint, check formatting and types, and run the tests (about 10 minutes on two cores)
	@$(MAKE) --no-print-directory --jobs=2 types fast-tests

.PHONY: test-all
test-all: style ## Like `make test`, with the slow tests
	@$(MAKE) --no-print-directory --jobs=2 types all-tests

.PHONY: lint
lint: style types ## Run the linter, the formatter check and the type checker

# The parts of `make test` and `make lint`. The type checker has one thread, so it runs next to the tests.
.PHONY: style types fast-tests all-tests
style: $(STAMP)
	ruff check
	ruff format --check

types: $(STAMP)
	mypy

fast-tests: $(STAMP)
	$(PYTEST) -m "not slow"

all-tests: $(STAMP)
	$(PYTEST)

.PHONY: coverage
coverage: $(STAMP) ## Run the tests of `make test` and report which lines they cover
	OMP_NUM_THREADS=1 pytest -n 3 --dist loadfile -m "not slow" --cov --cov-report=term:skip-covered --cov-report=html
	@echo "htmlcov/index.html"

.PHONY: docs
docs: $(DOCS_STAMP) ## Set up and build the documentation; it works offline
	sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(DOCS_STAMP): docs/requirements.lock $(STAMP)
	$(call install,docs/requirements.lock)
	@touch $@

.PHONY: format
format: $(STAMP) ## Format the code and apply the linter's safe fixes
	ruff check --fix
	ruff format

.PHONY: schedule
schedule: $(STAMP) ## Serve prefect.yaml in the foreground: a server (unless PREFECT_API_URL is set), a pool and a worker
	@exec python -m flows.schedule

.PHONY: lock
lock: $(STAMP) ## Pin pyproject.toml's dependencies in the lock files (needs a network); UPGRADE=--upgrade takes newer versions
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra dev -o requirements.lock \
	  --no-header --no-annotate $(UPGRADE)
	uv pip compile --universal --python-version 3.11 --group docs --constraints requirements.lock -o docs/requirements.lock \
	  --no-header --no-annotate $(UPGRADE)

.PHONY: clean
clean: ## Remove .venv, the built documentation and tool caches; keep data, results, DVC's cache and checkpoints
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis htmlcov docs/_build docs/*/generated
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
