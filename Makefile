# Every target does its own set-up in .venv; all a machine needs is make and Python 3.11 or newer.
#   make run     compute pi to 2000 digits as a Kubernetes Job
#   make test    all tests
#   make check   every static gate: lint, format, types under two checkers, import contracts
#   make bench   the budgets (BENCH="job-100k --size small" for others)
# To choose the Python: make test PYTHON=python3.12

.PHONY: run test check bench clean
.NOTPARALLEL:
.DEFAULT_GOAL := run

BIN := .venv/bin
BENCH ?= --budgets
# Many tests wait for real processes, so a few more run side by side than there are cores.
WORKERS ?= 3
export PYTHON
# No question to a registry whether a newer pyright is out: the pin in pyproject.toml decides.
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1

run:
	@.ci/venv cli
	@$(BIN)/podledger run examples/pi.yaml

test:
	@.ci/venv test
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal

check:
	@.ci/venv test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright

bench:
	@.ci/venv bench
	@$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf .venv build dist
