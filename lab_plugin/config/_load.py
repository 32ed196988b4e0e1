"""Finding and reading the `lab.toml` of a folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lab_plugin.config._blocks import Blocks
from lab_plugin.config._checks import LAB_FILE
from lab_plugin.config._models import Config
from lab_plugin.config._parse import error_of, parse
from lab_plugin.errors import ConfigError

_MAX_BYTES = 256 << 10


def find(start: Path) -> Path:
    """Find the nearest `lab.toml`, in a folder or above it, as git finds its repository.

    Args:
        start: Where to begin.

    Raises:
        ConfigError: The folder does not exist, or there is none up to the root.
    """
    folder = Path(os.path.abspath(start))
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", "Name a folder in a lab, or its lab.toml.")
    for parent in (folder, *folder.parents):
        if os.path.lexists(parent / LAB_FILE):
            return parent / LAB_FILE
    raise ConfigError(
        f"There is no {LAB_FILE} in {folder} or above it.",
        "Run `lab init` in your repository, or name the lab with --lab PATH.",
    )


def load(path: Path, blocks: Blocks | None = None) -> Config:
    """Read a `lab.toml`.

    Args:
        path: The file.
        blocks: `TYPE/NAME` -> settings of the Prefect blocks that it names, as far as they are known.

    Raises:
        ConfigError: It cannot be read or has faults; all of them are listed by line.
    """
    path = Path(os.path.abspath(path))
    data = _read(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = f"{path.name}:{line}: byte 0x{data[error.start]:02x} is not UTF-8"
        raise error_of(path, iter((fault,))) from None
    return parse(text, str(path), blocks)


def _read(path: Path) -> bytes:
    remedy = "Name a lab.toml with --lab PATH, or run `lab init` to write one."
    try:
        # A FIFO in its place must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
                raise ConfigError(f"{path} is {what}.", remedy)
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path} cannot be read: {reason}.", remedy) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_BYTES >> 10} KiB; it is no lab.toml.", remedy)
    return data
