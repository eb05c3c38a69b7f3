# Needs python >= 3.11, git and make; everything else goes into .venv, locked by hash in requirements/.
# `make PYTHON=/path/to/python test` chooses the interpreter.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
INSTALL := $(PIP) install --require-hashes --requirement
INSTALL_SELF := $(PIP) install --no-deps --no-build-isolation --editable .

# Empty means: as OTPCONV_* or the command's own default say.
# HOST is taken from make's command line only: conda and tcsh export a HOST that means something else.
HOST =
PORT ?=
DATA ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo serve test campaign lint bench docs reference lock clean

# The tests start hundreds of processes of otpconv; each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

# Half of the time of a test is waiting, for a server or a browser, so two cores have work for five workers.
# `make test WORKERS=0` uses none.
WORKERS ?= 5
PYTEST = $(BIN)/python -m pytest --no-header --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=20
# Percent of the rounds that `make campaign` runs; `make test` runs 5 %.
CAMPAIGN ?= 100

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.server  ## show a dashboard with two weeks of traffic; PORT= is its port
	@exec $(BIN)/otpconv demo --serve $(if $(PORT),--port '$(PORT)')

serve: $(VENV)/.server  ## run the server; HOST=, PORT= and DATA= are its options
	@exec $(BIN)/otpconv serve $(if $(HOST),--host '$(HOST)') $(if $(PORT),--port '$(PORT)') $(if $(DATA),--data '$(DATA)')

# The URL of the coordinator of a Citus, for the tests that need one.
export CITUS ?=

test: $(VENV)/.dev  ## run the tests; ARGS='-k signature' goes to pytest, CITUS=postgresql://… is for ARGS='-m citus'
	@$(PYTEST) -m 'not campaign' $(ARGS)

campaign: $(VENV)/.dev  ## run the tests of further cases, and all rounds; CAMPAIGN=25 runs a quarter of these
	@CAMPAIGN=$(CAMPAIGN) $(PYTEST) -m 'campaign or rounds or hypothesis' $(ARGS)

lint: $(VENV)/.dev  ## ruff, mypy and the import rules
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev  ## measure this machine; ARGS= goes to the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

docs: reference  ## build the documents as a site, and fail on a warning or a dead link
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir $(VENV)/doctrees . site
	@echo "open site/index.html"

reference: $(VENV)/.dev  ## write the pages of docs/reference that come from the code
	@$(BIN)/python docs/generate.py

# Keeps the locked versions; `make lock UPGRADE=--upgrade` takes the newest. dev.txt holds all of server.txt.
COMPILE := pip compile pyproject.toml requirements/build.in --extra server --extra postgres --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-sources --quiet --custom-compile-command 'make lock' $(UPGRADE)

lock: $(VENV)/.venv  ## lock requirements/*.txt to pyproject.toml; UPGRADE=--upgrade renews them
	@uv=uv; uv --version >/dev/null 2>&1 || uv=$(VENV)/tools/bin/uv; \
	[ "$$uv" = uv ] || [ -x "$$uv" ] || $(PIP) install --target $(VENV)/tools uv; \
	"$$uv" $(COMPILE) --output-file requirements/server.txt && \
	"$$uv" $(COMPILE) --output-file requirements/dev.txt --group dev --constraint requirements/server.txt

clean:  ## remove .venv and every cache, and no data
	@rm -rf $(VENV) dist site .screenshots .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps: a second run does nothing, a changed lock or pyproject.toml installs again.
$(VENV)/.server: requirements/server.txt pyproject.toml | $(VENV)/.venv
	@echo "installing requirements/server.txt into $(VENV)"
	@$(INSTALL) requirements/server.txt
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.venv
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(INSTALL) requirements/dev.txt
	@$(INSTALL_SELF)
	@touch $(VENV)/.server $@

$(VENV)/.venv:
	@for python in $(if $(PYTHON),'$(PYTHON)',python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "otpconv needs Python 3.11 or newer$(if $(PYTHON), and $(PYTHON) is not): make PYTHON=/path/to/python3.11 ..." >&2; \
	  exit 1; \
	fi; \
	package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "$$python has no venv module: install it (Debian: apt-get install $$package) and run make again" >&2; \
	    exit 1; \
	  fi; \
	  echo "installing $$package"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$$package" || exit; \
	fi; \
	"$$python" -m venv --clear $(VENV) && touch $@
