"""Files that are in their place whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(target: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file beside its place, and move it there; who reads it meanwhile finds the one before.

    Args:
        target: Its place, in a folder that is there.
        data: Its content.
        mode: Its permissions.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    # Late: it loads what hashes and draws random numbers, which most commands never do.
    import tempfile

    descriptor, partial = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(partial, mode)
        os.replace(partial, target)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
