"""Where the lab keeps what is not in git: one folder per user, outside every repository and every sandbox."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import LabError

VARIABLE = "PREFECT_LAB_HOME"


@dataclass(frozen=True)
class Home:
    """The user's folder for the lab's state.

    Nothing in it is the only copy of a verdict: code and verdicts are in git, numbers can be mirrored again.

    Attributes:
        root: `$PREFECT_LAB_HOME`, else `$XDG_DATA_HOME/prefect-lab`, else `~/.local/share/prefect-lab`.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Find the folder and make it, readable for its owner only.

        Raises:
            LabError: It cannot be made or written.
        """
        given = os.environ.get(VARIABLE)
        data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        root = Path(given) if given else Path(data) / "prefect-lab"
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LabError(
                f"The lab's state folder {root} cannot be made: {error.strerror}.",
                f"Set {VARIABLE} to a folder that you may write.",
            ) from error
        if not os.access(root, os.W_OK | os.X_OK):
            raise LabError(
                f"The lab's state folder {root} is not writable.",
                f"Set {VARIABLE} to a folder that you may write.",
            )
        return cls(root.resolve())

    @property
    def prefect(self) -> Path:
        """The local Prefect API's database, log and address."""
        return self.root / "prefect"

    @property
    def mlflow(self) -> Path:
        """The embedded MLflow store."""
        return self.root / "mlflow"

    @property
    def environments(self) -> Path:
        """What is known of interpreters' environments, so that they need not be read again."""
        return self.root / "environments"

    def lab(self, name: str, identity: str) -> Path:
        """The folder of one lab; made when missing."""
        folder = self.root / "labs" / f"{name}-{identity}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def identity(common_dir: Path, directory: str, name: str) -> str:
    """Eight hex digits that tell a lab from others of the same name on this machine.

    Args:
        common_dir: The repository's common git folder.
        directory: The lab's folder, relative to the repository's root.
        name: The lab's name.
    """
    text = "\0".join((str(common_dir.resolve()), directory, name))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def shared_identity(address: str, directory: str, name: str) -> str:
    """Eight hex digits that tell a lab from others of the same name, the same in all clones of a remote.

    Args:
        address: Of the git remote; how it is reached, and by whom, does not matter.
        directory: The lab's folder, relative to the repository's root.
        name: The lab's name.
    """
    place = re.sub(r"^(?:[a-z+]+://)?(?:[^/@]*@)?", "", address)
    # `host:path` of SSH is `host/path`; a port is a way to reach the host.
    place = re.sub(r"^([^/:]+):(?:\d+(?=/))?/?", r"\1/", place)
    place = place.rstrip("/").removesuffix(".git")
    text = "\0".join((place, directory, name))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
