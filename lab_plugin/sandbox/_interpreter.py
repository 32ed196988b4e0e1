"""The Python that programs inside run on, and the host folders it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lab_plugin.errors import SandboxError

_ASK = "import sys, json; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix]))"
_ASK_SECONDS = 30
_ALWAYS_SHOWN = (Path("/usr"), Path("/bin"), Path("/lib"), Path("/lib64"))


class Interpreter(NamedTuple):
    """An interpreter and where its files lie.

    Attributes:
        executable: Absolute path, links kept, since a virtual environment is found by it.
        folders: Host folders that it needs, those below `/usr` left out.
    """

    executable: Path
    folders: tuple[Path, ...]

    @property
    def is_named_python(self) -> bool:
        """Whether `python` in its own folder means it too."""
        try:
            return self.executable.with_name("python").samefile(self.executable)
        except OSError:
            return False


def find_interpreter(python: Path | None) -> Interpreter:
    """Find an interpreter's folders.

    Args:
        python: Path of an interpreter; None for the one that runs this process.

    Raises:
        SandboxError: It is no working Python, or its folders hold a whole home folder or file system.
    """
    if python is None:
        answer = [sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix]
    else:
        answer = _ask(python)
    executable = Path(answer[0])
    folders = {Path(folder) for folder in answer[1:]}
    folders |= {link.parent.parent for link in _links(executable)}
    folders |= {folder.resolve() for folder in folders}
    return Interpreter(executable, outermost(folder for folder in folders if _needed(folder)))


def outermost(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The given folders without those that lie in another of them, sorted."""
    found = sorted(set(folders))
    return tuple(folder for folder in found if not any(other in folder.parents for other in found))


def require_separate(shown: Sequence[Path], private: Path) -> None:
    """Refuse to show a folder that holds a lab's own files.

    Args:
        shown: Host folders that programs see at their own paths.
        private: A host path that they must not see.

    Raises:
        SandboxError: One of the folders holds it.
    """
    for folder in shown:
        if private == folder or folder in private.parents:
            raise SandboxError(
                f"the sandbox would show {folder} to every program, and {private} lies in it",
                "Use a Python in a virtual environment ([sandbox] python), or move the lab's home.",
            )


def _ask(python: Path) -> list[str]:
    remedy = "Set [sandbox] python to a working Python 3."
    try:
        run = subprocess.run(
            [python, "-I", "-c", _ASK], capture_output=True, check=True, timeout=_ASK_SECONDS, text=True
        )
        answer = json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(f"{python} is no working Python: {error}", remedy) from None
    return [str(part) for part in answer]


def _links(executable: Path) -> list[Path]:
    chain = [executable]
    while chain[-1].is_symlink() and len(chain) < 40:
        link = chain[-1]
        chain.append(link.parent / link.readlink())
    return chain


def _needed(folder: Path) -> bool:
    if any(folder == shown or shown in folder.parents for shown in _ALWAYS_SHOWN):
        return False
    home = Path.home()
    if folder == Path("/") or folder == home or folder in home.parents:
        raise SandboxError(
            f"the interpreter's folder is {folder}; showing it would show the whole of it to every program",
            "Set [sandbox] python to an interpreter in a folder of its own, such as a virtual environment.",
        )
    return True
