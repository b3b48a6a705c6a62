# Each target sets up .venv itself when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-processors lint docs bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'phonoscope needs Python 3.11 or newer')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[align,praat,hf,captum,onnx,ray,web,test,lint,docs,bench]"
	touch $@

demo: $(READY)  ## the paper's three experiments on synthetic talkers, with reports, in runs/demo
	rm -rf runs/demo
	$(BIN)/phonoscope demo --out runs/demo

# One thread a process: in tests this small, threads spend their time waiting for each other. Each process begins with
# a half of the files, one after the other, so that fixtures are made once; whoever is done first takes from the other.
JOBS ?= 2
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

test: $(READY)  ## all tests, in two processes
	$(TEST)

# What is computed with rounding, with the vector instructions of other processors: PyTorch's own, oneDNN, MKL, OpenBLAS.
NUMERICAL := tests/attribution tests/filters tests/phonetics tests/test_axes.py tests/test_frontends.py tests/test_band_filters.py
test-processors: $(READY)  ## the numerical tests as two older processors compute
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_CBWR=AVX2 OPENBLAS_CORETYPE=Haswell $(TEST) --quiet $(NUMERICAL)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBILITY OPENBLAS_CORETYPE=Prescott \
		$(TEST) --quiet $(NUMERICAL)

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check src

docs: $(READY)  ## the documentation, in site/
	$(BIN)/python -m tools.gallery docs
	$(BIN)/zensical build --clean

bench: $(READY)  ## ratios against named peers; the shared recordings are used where they are there
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) site runs .pytest_cache .ruff_cache .hypothesis
