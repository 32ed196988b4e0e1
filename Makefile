.PHONY: demo test check benchmarks

demo:            ## set up, and run a real campaign on the digits example
	@scripts/setup
	@scripts/demo

test:            ## set up, and pass the tests
	@scripts/setup dev
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

check:           ## lint, format and types
	@scripts/setup dev
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

benchmarks:      ## print the figures, each beside its baseline
	@scripts/setup dev
	@.venv/bin/python -m tests.benchmarks $(ARGS)
