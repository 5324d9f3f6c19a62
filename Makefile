# Two commands matter: `make demo` and `make test`. Both set everything up first; nothing is installed
# outside .venv except, where this user may, the system packages python3-venv and exiftool.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := .lock/build.txt .lock/runtime.txt .lock/dev.txt
NEURAL := $(VENV)/neural
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV_FLAGS := --universal --python-version 3.11 --generate-hashes --no-header --no-config \
	--no-emit-index-url --no-emit-find-links --quiet
PHOTO ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-neural test-editors lint format lock exiftool clean

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(STAMP) ## build .venv with retouchd and the development tools in it

$(STAMP): pyproject.toml $(LOCKS) .ci/system-package
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "retouchd needs Python 3.11 or newer; found: $$($(PYTHON) -V 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh .ci/system-package need python3-venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "setup: installing the locked libraries into $(VENV)"
	@$(PIP) install --quiet --require-hashes -r .lock/build.txt
	@$(PIP) install --quiet --require-hashes --no-build-isolation --use-pep517 -r .lock/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "setup: done; try $(BIN)/retouchd --help"

exiftool:
	@command -v exiftool >/dev/null || sh .ci/system-package want libimage-exiftool-perl

demo: setup exiftool ## run the main job on public-domain photos; PHOTO=path adds your own
	@$(BIN)/python -m benchmarks.demo $(if $(PHOTO),--photo '$(PHOTO)')

test: setup exiftool lint ## style, layers, types, tests
	$(BIN)/pytest

test-neural: ## the adapters of large models, with tiny ones; needs torch, some gigabytes of disk
	@test -x $(NEURAL)/bin/python || $(PYTHON) -m venv $(NEURAL)
	@$(NEURAL)/bin/python -m pip --disable-pip-version-check install --quiet -r tests/neural/requirements.txt \
		--editable '.[cpu,models]'
	OMP_NUM_THREADS=1 $(NEURAL)/bin/python -m pytest tests/neural

test-editors: setup ## our layers opened in GIMP, Krita and ImageMagick; installs them, some gigabytes of disk
	@command -v gimp >/dev/null || sh .ci/system-package need gimp
	@command -v krita >/dev/null || sh .ci/system-package need krita
	@command -v convert >/dev/null || sh .ci/system-package need imagemagick
	@command -v xvfb-run >/dev/null || sh .ci/system-package need xvfb
	@command -v xauth >/dev/null || sh .ci/system-package need xauth
	$(BIN)/pytest -m editors tests/editor

lint: setup ## style, layers and types only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## choose newer versions of everything and write them down with their hashes
	@$(PYTHON) -m venv .venv/lock && .venv/lock/bin/python -m pip install --quiet 'uv>=0.5'
	@.venv/lock/bin/uv pip compile $(UV_FLAGS) --upgrade pyproject.toml --extra cpu -o .lock/runtime.txt
	@.venv/lock/bin/uv pip compile $(UV_FLAGS) --upgrade .lock/build.in -c .lock/runtime.txt -o .lock/build.txt
	@.venv/lock/bin/uv pip compile $(UV_FLAGS) --upgrade pyproject.toml --extra cpu --extra metrics --group dev -c .lock/runtime.txt \
		-c .lock/build.txt -o .lock/dev.txt
	@if grep -nE '://|^-' $(LOCKS); then echo "lock: an address got into the lock" >&2; exit 1; fi

clean: ## remove what the targets above made
	rm -rf $(VENV) dist demo-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
