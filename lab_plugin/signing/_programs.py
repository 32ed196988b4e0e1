"""The one place where the user's signing programs are started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab_plugin.errors import SigningError

TIMEOUT = 60.0
# Where keys, agents and the windows that ask for a passphrase are found; nothing else enters.
_KEPT = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "GNUPGHOME",
    "GPG_TTY",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
)


@dataclass(frozen=True)
class Check:
    """What is known of a signature.

    Attributes:
        status: `good`; `bad`: it is not one of these bytes; `untrusted`: it is, by a key that the user does
            not believe; `unchecked`: this machine cannot tell.
        signer: Who signed, as far as it is known: a name, or a key.
        why: What is wrong, in one line; "" when good.
    """

    status: Literal["good", "bad", "untrusted", "unchecked"]
    signer: str = ""
    why: str = ""


@dataclass(frozen=True)
class Answer:
    """What a program said."""

    status: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Its complaint in one line."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        text = "; ".join(lines[-3:]) or f"exit status {self.status}"
        return "".join(letter if letter.isprintable() else " " for letter in text)[:500]


def ask(command: Sequence[str], data: bytes = b"") -> Answer:
    """Run a signing program without a terminal.

    Raises:
        SigningError: It is not there, cannot be started, or does not answer.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment = {**kept, "LC_ALL": "C", "TZ": "UTC"}
    program = command[0]
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=TIMEOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError:
        remedy = "Install it, or name another program by git's gpg.program, gpg.x509.program or"
        raise SigningError(f"The program {program} was not found.", f"{remedy} gpg.ssh.program.") from None
    except subprocess.TimeoutExpired:
        remedy = "Unlock the key for your agent (ssh-add, gpg-agent): nobody is there to be asked."
        raise SigningError(f"{program} did not answer within {TIMEOUT:.0f} s.", remedy) from None
    except (OSError, ValueError) as error:
        raise SigningError(f"The program {program} cannot be started: {error}.") from error
    return Answer(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
