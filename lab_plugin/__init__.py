"""prefect-lab: a laboratory on Prefect that keeps only what is really better."""

__version__ = "0.1.0"
