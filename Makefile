# make demo | test | lint | manifest | bench | sanitize: each makes its own .venv when there is none yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_FLAGS ?= -n 2
WITHOUT_NATIVE := tests/runtime/native tests/runtime/test_unfinished.py tests/ops/test_linalg_products.py \
	$(wildcard tests/ops/test_nn_*.py) $(wildcard tests/conformance/test_nn_*.py) tests/conformance/test_linalg_basic.py

.PHONY: demo test lint manifest bench sanitize clean

demo: $(STAMP)
	$(BIN)/python examples/run_demo.py

# What the native kernels compute is tested without them too; then everything, with them.
test: $(STAMP)
	@EVERFLOW_NATIVE=0 $(BIN)/python -m pytest $(PYTEST_FLAGS) -q $(WITHOUT_NATIVE)
	@$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

manifest: $(STAMP)
	$(BIN)/python -m tools.generate_manifest

bench: $(STAMP)
	$(BIN)/python -m benchmarks

sanitize: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check onednn-devel-cpu-gomp
	$(BIN)/python -m tools.sanitize

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

# The stamp makes the installation happen once, and again when the dependencies or the native kernels change.
$(STAMP): pyproject.toml setup.py $(wildcard everflow/_src/runtime/native/kernels/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@
