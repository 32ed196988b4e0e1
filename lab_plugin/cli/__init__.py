"""The `lab` program. Commands import what they need when they run, so that `lab --help` is quick."""

from lab_plugin.cli._main import app, main

__all__ = ["app", "main"]
