# `make fill`, `make test-unit` and `make test` need Python 3.11 or later, and set up everything else themselves.
PYTHON ?= python3
DIR ?= ./tiktoken
export DIR
# Options for every `docker build`, for example BUILD_OPTIONS='--build-arg PIP_INDEX_URL=... --secret id=ca,src=...'.
BUILD_OPTIONS ?=
export BUILD_OPTIONS
VENV := .venv

.PHONY: supported fill test test-unit lint image dist publish release-names rehearsal address version size sized benchmarks arm64 pins clean

# Fill a directory on this machine, with a virtual environment in .venv.
fill: supported $(VENV)/runtime
	$(VENV)/bin/python entrypoint.py fill --cache-dir "$$DIR"

supported:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: $(PYTHON) is %d.%d, and 3.11 or later is needed: make PYTHON=... $(MAKECMDGOALS)" % sys.version_info[:2] or 0)'

PYTEST := $(VENV)/bin/python -m pytest $(if $(CI),--durations=20)
BY_FILE := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
UNIT := $(PYTEST) $(if $(CI),--cov=tiktoken_cache_init) tests/unit

# Run the tests that need only Python: no root, container engine, Go or network.
test-unit: supported $(VENV)/dev
	$(UNIT)

# Run the linters, the unit tests, and all other tests that this machine allows. The last lines say which tests were skipped and
# what they need. With REQUIRE_DOCKER=1, a missing container engine, podman or Go is a failure. Each file runs in one process, because
# its tests may share an engine or a cluster. The files start in order of their names, so the longest, tests/bare_machine, is first.
# Of the network tests more run at once, because they mostly wait for servers that do not answer.
test: export SKIPPED_TESTS := $(VENV)/skipped
test: lint
	@rm -f $(SKIPPED_TESTS)
	$(UNIT)
	$(PYTEST) $(BY_FILE) --ignore=tests/unit --ignore=tests/network
	$(PYTEST) --numprocesses 6 tests/network

lint: supported $(VENV)/dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# The requirements files list every package. Without --no-deps, pip may choose a newer release for an extra, and then refuse it
# because it has no hash.
PINNED := $(VENV)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement

$(VENV)/runtime: requirements/runtime.txt
	$(PYTHON) -m venv $(VENV)
	$(PINNED) $<
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/runtime
	$(PINNED) $<
	touch $@

$(VENV)/release: requirements/release.txt
	rm -rf $@
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<

# Build the image as in a release: the same commit gives the same id.
image:
	docker build --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) --build-arg REVISION=$$(git rev-parse HEAD) \
	  --build-arg VERSION=$(VERSION) --tag tiktoken-cache-init $(BUILD_OPTIONS) .
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' tiktoken_cache_init/__init__.py)

# Make the files of a release in dist/: the same commit gives the same bytes. An emulated architecture takes some minutes more.
dist: supported $(VENV)/release
	rm -rf dist
	$(VENV)/release/bin/python -m release.dist dist
	$(VENV)/release/bin/python -m release.check dist
ARCHITECTURES ?= amd64 arm64
export ARCHITECTURES

# Push, check, sign and tag the images as IMAGE, such as ghcr.io/OWNER/tiktoken-cache-init. release/publish.py names the variables.
publish: supported $(VENV)/release
	$(VENV)/release/bin/python -m release.publish $(IMAGE)

# Fail if the variables TAG and GITHUB_REPOSITORY differ from what is in the program.
release-names:
	$(PYTHON) -m release.check

# Run a whole release on this machine, with a registry and a package index on loopback. release/rehearsal.sh says what it needs.
rehearsal: $(VENV)/release $(VENV)/dev
	release/rehearsal.sh

# Write another version into every file that has it: make version NEW=0.2.0
version:
	git grep -lzF $(VERSION) README.md README.zh-CN.md deploy docs tiktoken_cache_init | \
	  xargs -0 sed -i -E 's/(^|[^0-9.])$(subst .,\.,$(VERSION))\b/\1$(NEW)/g'

# Write the account that publishes into every file that has the repository's address: make address OWNER=acme
address:
	git grep -lz $(REPOSITORY) | xargs -0 sed -i 's,$(REPOSITORY),$(OWNER)/tiktoken-cache-init,g; s,ghcr.io/$(OWNER),\L&,g'
REPOSITORY = $(shell sed -n 's/^REPOSITORY = "\(.*\)"/\1/p' tiktoken_cache_init/__init__.py)

# Build each target, and print its compressed size. Exit with 1 if a size exceeds its budget.
size: sized
	$(PYTHON) -m image.size $(addprefix tiktoken-cache-init:,default two-encodings offline data)

sized:
	for target in default offline data; do \
	  docker build --quiet --target $$target --tag tiktoken-cache-init:$$target $(BUILD_OPTIONS) . || exit 1; \
	done
	docker build --quiet --build-arg ENCODINGS=cl100k_base,o200k_base --tag tiktoken-cache-init:two-encodings $(BUILD_OPTIONS) .

# Measure times, memory and sizes, and write benchmarks/results.md and docs/size-and-speed.svg. This needs hyperfine and an idle
# machine, and takes about ten minutes.
benchmarks: sized $(VENV)/release
	$(VENV)/release/bin/python -m benchmarks $(ROUNDS)
ROUNDS ?= 60

# Build the images for arm64, print their sizes, and run the tests of the image. Emulated, this takes about an hour.
arm64: export PLATFORM := linux/arm64
arm64: $(VENV)/dev
	REQUIRE_DOCKER=1 $(VENV)/bin/python -m pytest --ignore=tests/containers/test_build.py tests/containers tests/outside \
	  tests/test_states.py -k "not host and not budget"
	REQUIRE_DOCKER=1 $(VENV)/bin/python -m pytest tests/network -k image
	docker build --quiet --platform $(PLATFORM) --target offline --tag tiktoken-cache-init:offline-arm64 $(BUILD_OPTIONS) .
	$(PYTHON) -m image.size tiktoken-cache-init:test-arm64 tiktoken-cache-init:offline-arm64

# Record the versions that the package index and Debian's archive have now.
pins:
	$(PYTHON) -m venv $(VENV)/compile
	$(VENV)/compile/bin/pip install --quiet pip-tools
	for name in runtime prove release dev; do \
	  $(VENV)/compile/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
	    --output-file requirements/$$name.txt requirements/$$name.in; \
	done
	docker build --no-cache-filter recorded --target packages --output image $(BUILD_OPTIONS) .

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage build
