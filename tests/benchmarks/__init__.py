"""Figures, each printed beside its baseline from the same run: `python -m tests.benchmarks [name ...]`."""
