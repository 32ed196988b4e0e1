"""Runs a test-suite with pytest and writes down, test by test, what came of it.

    python run_tests.py PATH...

One file, the standard library and pytest. It runs in the scorer's sandbox, from the scorer's files, where
nothing of a candidate is. With `$LAB_COLLECT` it only collects. `$LAB_TESTS` receives
`{"collected": [ID], "deselected": [ID], "errors": [ID], "results": [[ID, OUTCOME]]}`, an outcome being
`passed`, `failed`, `error`, `skipped`, `xfailed` or `xpassed`; what pytest prints and its exit status say
nothing.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

# Plug-ins that happen to be installed would change what is run; a suite names those that it needs.
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
_SETTINGS = ("pytest.toml", "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_WORST_LAST = ("passed", "xpassed", "xfailed", "skipped", "failed", "error")


class Recorder:
    """A plug-in of pytest that keeps every test's outcome."""

    def __init__(self) -> None:
        self.collected: list[str] = []
        self.deselected: list[str] = []
        self.errors: list[str] = []
        self.results: list[tuple[str, str]] = []
        self._running: dict[str, str] = {}

    def pytest_collection_finish(self, session: Any) -> None:
        """All is collected, and some of it deselected."""
        self.collected = [item.nodeid for item in session.items]

    def pytest_deselected(self, items: Any) -> None:
        """Some tests are left out."""
        self.deselected += [item.nodeid for item in items]

    def pytest_collectreport(self, report: Any) -> None:
        """A file or folder was looked at."""
        # A module that skips itself is a test that is missing.
        if report.failed:
            self.errors.append(report.nodeid or ".")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A part of a test ended: its setup, its call or its teardown."""
        outcome = _outcome(report)
        if outcome:
            # Of the parts of one test the worst counts.
            before = self._running.get(report.nodeid, "passed")
            self._running[report.nodeid] = max(before, outcome, key=_WORST_LAST.index)
        if report.when == "teardown":
            self.results.append((report.nodeid, self._running.pop(report.nodeid, "error")))


def _outcome(report: Any) -> str:
    expected = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.when == "call":
        return "xpassed" if expected else "passed"
    return ""


def main(paths: list[str]) -> None:
    """Run or collect the tests, and write the result."""
    import pytest

    folder = os.getcwd()
    sys.path.insert(0, folder)
    settings = next((name for name in _SETTINGS if os.path.isfile(name)), os.devnull)
    options = ["-q", "--color=no", "--tb=short", "-p", "no:cacheprovider", "-c", settings]
    options += [f"--rootdir={folder}", f"--confcutdir={folder}"]
    if os.environ.get("LAB_COLLECT"):
        options.append("--collect-only")
    recorder = Recorder()
    pytest.main([*options, *paths], plugins=[recorder])
    document = {
        "collected": recorder.collected,
        "deselected": recorder.deselected,
        "errors": recorder.errors,
        "results": recorder.results,
    }
    with open(os.environ["LAB_TESTS"], "w") as file:
        json.dump(document, file)


if __name__ == "__main__":
    main(sys.argv[1:])
