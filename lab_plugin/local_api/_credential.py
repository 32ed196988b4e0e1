"""The user and password that the servers of a folder ask for, in a file that only its owner can read."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from lab_plugin.errors import ApiError

_NAME = "credential"
_USER = "lab"
_LIMIT = 1024
# Prefect's UI asks for the whole string, browsers for its two parts; what both can send.
_FORM = re.compile(r"[!-9;-~]{1,100}:[!-~]{8,400}")


def load_credential(home: Path) -> str | None:
    """The credential of a folder, `user:password`; None where its servers ask for none.

    Args:
        home: The API's folder.

    Raises:
        ApiError: The file is damaged, or others can read it.
    """
    path = home / _NAME
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ApiError(f"The credential {path} cannot be read: {error.strerror}.") from error
    with os.fdopen(handle, encoding="ascii", errors="replace") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
            raise ApiError(f"The credential {path} can be read by others.", f"chmod 600 {path}")
        text = file.read(_LIMIT).removesuffix("\n")
    if not _FORM.fullmatch(text):
        raise ApiError(
            f"The credential {path} is not one line user:password, with a password of 8 characters or more.",
            "Mend it, or remove it: `lab up --auth` makes another.",
        )
    return text


def make_credential(home: Path) -> str:
    """The credential of a folder; a random one where it has none yet.

    Args:
        home: The API's folder; made when missing.

    Raises:
        ApiError: It cannot be written, or the one that is there is damaged.
    """
    if (there := load_credential(home)) is not None:
        return there
    text = f"{_USER}:{secrets.token_urlsafe(24)}"
    partial = home / f".{_NAME}-{os.getpid()}"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
        # A link, unlike a rename, does not replace what another process has just made.
        os.link(partial, home / _NAME)
    except FileExistsError:
        return make_credential(home)
    except OSError as error:
        raise ApiError(f"The credential {home / _NAME} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return text


def remove_credential(home: Path) -> None:
    """Have the servers of a folder ask for no credential when they are started next."""
    (home / _NAME).unlink(missing_ok=True)
