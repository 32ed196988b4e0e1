"""Campaigns with several tiers, over scorers whose numbers are known."""

from tests.comparison.conftest import bare_environment, home, make_toy, plug_in, python, run

__all__ = ["bare_environment", "home", "make_toy", "plug_in", "python", "run"]
