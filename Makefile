# Two commands do all the set-up on a machine with Python 3.11 or later: `make fill` and `make test`.
PYTHON ?= python3
DIR ?= ./tiktoken
VENV := .venv

.PHONY: fill test lint image size requirements clean

# Fills a folder on this machine, with an environment of its own.
fill: $(VENV)/runtime
	$(VENV)/bin/python entrypoint.py fill --cache-dir $(DIR)

# All tests, and the linters. Those that need a container engine skip where none answers, unless REQUIRE_DOCKER=1.
test: $(VENV)/dev lint
	$(VENV)/bin/python -m pytest

lint: $(VENV)/dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/runtime: requirements/runtime.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes -r $<
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/runtime
	$(VENV)/bin/pip install --quiet --require-hashes -r $<
	touch $@

# The image, as it is released: the same commit gives the same bits.
image:
	docker build --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) --build-arg REVISION=$$(git rev-parse HEAD) \
	  --tag tiktoken-cache-init .

# The size of each target as a registry stores it, and its ten largest parts.
size: $(VENV)/dev
	for target in default offline data; do \
	  docker build --quiet --target $$target --tag tiktoken-cache-init:$$target . || exit 1; \
	done
	$(VENV)/bin/python -m image.size tiktoken-cache-init:default tiktoken-cache-init:offline tiktoken-cache-init:data

# Pins the newest releases, with their hashes.
requirements:
	$(PYTHON) -m venv $(VENV)/compile
	$(VENV)/compile/bin/pip install --quiet pip-tools
	for name in runtime prove dev; do \
	  $(VENV)/compile/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	    --output-file requirements/$$name.txt requirements/$$name.in; \
	done

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build
