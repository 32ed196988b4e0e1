"""The Prefect surface."""
