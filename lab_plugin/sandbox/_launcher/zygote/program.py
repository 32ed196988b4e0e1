"""Running a script in a fork as `python SCRIPT` runs it in a new interpreter."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple, NoReturn

from .ending import end
from .main_module import run_module, run_script

_SUFFIXES = (".py", ".pyc", ".so")


class Interpreter(NamedTuple):
    """What a program finds.

    Attributes:
        wanted: Modules.
        early: Names, without their packages' submodules, of those that were imported ahead.
        path: `sys.path` but for its first entry, the program's own folder.
        unwanted: Modules that it must not find.
        places: Entries of the importer's cache that it must not find.
    """

    wanted: frozenset[str]
    early: frozenset[str]
    path: list[str]
    unwanted: list[str]
    places: list[str]


def interpreter(plain: frozenset[str], wanted: frozenset[str]) -> Interpreter:
    """Describe this interpreter, once nothing more is to be imported.

    Args:
        plain: Modules that every interpreter has at its start.
        wanted: Those, and what was imported ahead.
    """
    path = sys.path[1:]
    early = frozenset(name.partition(".")[0] for name in wanted - plain)
    unwanted = [name for name in sys.modules if name not in wanted]
    return Interpreter(wanted, early, path, unwanted, [*set(sys.path_importer_cache) - set(path)])


class Program:
    """One run of `python SCRIPT ...` or `python -m MODULE ...`.

    Args:
        command: The whole command.
        directory: Where it starts.
        environment: Its whole environment.
        interpreter: What it finds.
    """

    def __init__(
        self, command: list[str], directory: str, environment: dict[str, str], interpreter: Interpreter
    ) -> None:
        self._command = command
        self._directory = directory
        self._environment = environment
        self._interpreter = interpreter
        self._dropped: list[object] = []
        self._module = command[2] if command[1] == "-m" else None
        self._folder = directory
        if self._module is None:
            self._folder = os.path.dirname(os.path.realpath(os.path.join(directory, command[1])))

    def shadowed(self) -> list[str]:
        """Modules imported ahead in whose place a new interpreter would find the program's own files."""
        return sorted(self._interpreter.early & _modules_in(self._folder))

    def prepare(self) -> None:
        """Make this process look like a new interpreter, standard streams apart."""
        os.chdir(self._directory)
        os.environ.clear()
        os.environ.update(self._environment)
        sys.path[:] = [self._folder, *self._interpreter.path]
        # To take apart what is dropped would take longer than all else here: it is kept, out of sight.
        self._dropped = [sys.path_importer_cache.pop(place) for place in self._interpreter.places]
        self._dropped += [sys.modules.pop(name) for name in self._interpreter.unwanted]
        sys.argv[:] = self._command[2:] if self._module is not None else self._command[1:]
        if self._module is not None:
            sys.argv[0] = "-m"
        if hasattr(sys, "orig_argv"):
            sys.orig_argv[:] = self._command
        _reseed()

    def run(self) -> NoReturn:
        """Run it, and end this process."""
        wanted = self._interpreter.wanted
        if self._module is not None:
            end(run_module(self._module), wanted)
        end(run_script(self._command[0], self._command[1]), wanted)


def _modules_in(folder: str) -> set[str]:
    found = set()
    try:
        for entry in os.scandir(folder):
            name, dot, _ = entry.name.partition(".")
            # A folder counts where it is a package.
            if entry.name.endswith(_SUFFIXES) if dot else "__init__" in _stems(entry.path):
                found.add(name)
    except OSError:
        return set()
    return found


def _stems(folder: str) -> set[str]:
    try:
        return {name.partition(".")[0] for name in os.listdir(folder)}
    except OSError:
        return set()


def _reseed() -> None:
    # Python does so for `random` after each fork; a state that forks share would make repeats alike.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
