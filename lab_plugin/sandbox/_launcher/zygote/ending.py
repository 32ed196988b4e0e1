"""The end of an interpreter, without taking apart what was imported ahead.

To take it apart would copy every page of it, which costs more than most trials. What a program can tell is
done as the interpreter does it: threads are awaited, exit functions run, the program's own modules are
emptied, its objects are collected, and all that it has open is written out.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from atexit import _run_exitfuncs
from typing import NoReturn, TextIO

_FLUSH_FAILED = 120


def end(status: int, kept: frozenset[str]) -> NoReturn:
    """End this process.

    Args:
        status: Exit status.
        kept: Modules that were imported ahead.
    """
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        _run_exitfuncs()
        flushed = _flush(sys.stdout, sys.stderr)
        _empty_modules(kept)
        gc.collect()
        _write_out()
        flushed = _flush(sys.__stdout__, sys.__stderr__) and flushed
    except BaseException:  # noqa: BLE001 - the last border there is; the interpreter goes on here too
        sys.__excepthook__(*sys.exc_info())
        flushed = _flush(sys.__stdout__, sys.__stderr__)
    os._exit(status if flushed else _FLUSH_FAILED)


def _flush(output: TextIO | None, errors: TextIO | None) -> bool:
    flushed = True
    try:
        if output is not None and not output.closed:
            output.flush()
    except BaseException as error:  # noqa: BLE001 - a stream of the program's own
        print(f"Exception ignored in: {output!r}\n{type(error).__name__}: {error}", file=errors)
        flushed = False
    with contextlib.suppress(BaseException):
        if errors is not None and not errors.closed:
            errors.flush()
    return flushed


def _empty_modules(kept: frozenset[str]) -> None:
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)
    main = sys.modules.pop("__main__", None)
    others = [sys.modules.pop(name) for name in reversed(list(sys.modules)) if name not in kept]
    for module in (main, *others):
        names = getattr(module, "__dict__", None)
        if isinstance(names, dict):
            # The order in which the interpreter empties one.
            for private in (True, False):
                for name in list(names):
                    is_private = isinstance(name, str) and name[:1] == "_" and name[:2] != "__"
                    if is_private is private and name != "__builtins__":
                        names[name] = None


def _write_out() -> None:
    base = io.IOBase.__mro__[1]
    for found in gc.get_objects():
        if base in type(found).__mro__:
            # Closed, not for writing, or with nowhere left to write to.
            with contextlib.suppress(Exception):
                found.flush()
