"""Where a program finds its things, and the variables that tell it."""

from __future__ import annotations

import os
from typing import NamedTuple

from .request import Request

PROGRAMS = ("python", "python3")


class Layout(NamedTuple):
    """Paths as the program sees them.

    Attributes:
        workspace: The workspace's root.
        outputs: The output folder.
        temporary: Home and folder for temporary files.
        programs: Folder with a `python` that means the chosen interpreter; empty when its own folder has one.
        inputs: Variable -> path.
    """

    workspace: str
    outputs: str
    temporary: str
    programs: str
    inputs: dict[str, str]


def variables(request: Request, layout: Layout) -> dict[str, str]:
    """The whole environment: an allow-list, and nothing of the host's by itself."""
    threads = str(max(1, int(request.cpus)))
    search = (layout.programs, os.path.dirname(request.python), "/usr/local/bin", "/usr/bin", "/bin")
    outputs = {
        name: os.path.normpath(f"{layout.outputs}/{path}") for name, path in request.output_variables.items()
    }
    return {
        "PATH": ":".join(folder for folder in search if folder),
        "HOME": layout.temporary,
        "TMPDIR": layout.temporary,
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        **request.environment,
        **layout.inputs,
        **outputs,
    }


def python_script(python: str) -> str:
    """A program that is the interpreter under another name; a link would lose a virtual environment."""
    quoted = python.replace("'", "'\\''")
    return f"#!/bin/sh\nexec '{quoted}' \"$@\"\n"
