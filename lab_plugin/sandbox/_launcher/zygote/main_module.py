"""The module `__main__`, as the interpreter itself makes and runs it."""

from __future__ import annotations

import builtins
import os
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType


def run_script(program: str, script: str) -> int:
    """Run a file; returns the exit status.

    Args:
        program: The interpreter's name, as given.
        script: The file's path, as given.
    """
    path = script if os.path.isabs(script) else f"{os.getcwd()}/{script}"
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"{program}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        return 2
    main = _new_main()
    main.__file__ = path
    main.__dict__["__cached__"] = None
    main.__loader__ = SourceFileLoader("__main__", path)
    # The interpreter asks first whether it is a folder or an archive.
    sys.path_importer_cache[path] = None
    try:
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102 - the point of it
        return 0
    except BaseException as error:  # noqa: BLE001 - what the interpreter does at this place
        caught = error
    return _status_of(caught)


def run_module(name: str) -> int:
    """Run a module as `python -m` does; returns the exit status."""
    _new_main()
    try:
        import runpy

        runpy._run_module_as_main(name)  # type: ignore[attr-defined]
        return 0
    except BaseException as error:  # noqa: BLE001 - what the interpreter does at this place
        caught = error
    return _status_of(caught)


def _new_main() -> ModuleType:
    main = ModuleType("__main__")
    main.__dict__.update(__annotations__={}, __builtins__=builtins)
    sys.modules["__main__"] = main
    return main


def _status_of(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return _status_of_exit(error)
    hook_failed = _show(*_without_own_frame(error))
    if hook_failed is not None:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(hook_failed), *_without_own_frame(hook_failed))
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, error.__traceback__)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _without_own_frame(error: BaseException) -> tuple[BaseException, TracebackType | None]:
    trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return error.with_traceback(trace), trace


def _status_of_exit(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF if -(2**63) <= code < 2**63 else 0xFF
    print(code, file=sys.stderr)
    return 1


def _show(error: BaseException, trace: TracebackType | None) -> BaseException | None:
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    try:
        sys.excepthook(type(error), error, trace)
        return None
    except BaseException as failure:  # noqa: BLE001 - a hook of the program's own
        return failure
