"""Small inputs, which are copied into a folder that a container shows already."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

_MOST_BYTES = 1 << 20
_MOST_ENTRIES = 64


def is_small(path: Path) -> bool:
    """Whether it is a plain file, or a folder of plain files and folders only, and little of either."""
    try:
        return _is_small(str(path))
    except OSError:
        return False


def _is_small(path: str) -> bool:
    left = [path]
    size = count = 0
    while left:
        found = left.pop()
        status = os.lstat(found)
        if stat.S_ISDIR(status.st_mode):
            left += [entry.path for entry in os.scandir(found)]
        elif not (stat.S_ISREG(status.st_mode) and os.access(found, os.R_OK)):
            return False
        size += status.st_size
        count += 1
        if size > _MOST_BYTES or count + len(left) > _MOST_ENTRIES:
            return False
    return True


def copy_small(path: Path, target: Path) -> None:
    """Copy it, with modes and times, but so that its folders can be removed again; no link is followed.

    Raises:
        OSError: It cannot be read, or has changed into something that cannot be copied.
    """
    target.parent.mkdir()
    target.parent.chmod(0o755)
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True)
        for folder, _, _ in os.walk(target):
            os.chmod(folder, os.stat(folder).st_mode | stat.S_IRWXU)
    else:
        shutil.copy2(path, target, follow_symlinks=False)
