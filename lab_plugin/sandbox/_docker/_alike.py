"""Which jobs one container could hold: those that differ only in what its first process is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._docker._binds import INPUTS, Mount, input_path, rules
from lab_plugin.sandbox._docker._config import JOB_LABEL
from lab_plugin.sandbox._docker._small import is_small
from lab_plugin.sandbox._docker.inside.setup import Shown


class Alike(NamedTuple):
    """A container as it can be made before its job is known.

    Attributes:
        config: As the engine wants it, without the mount of small inputs.
        small: Variable -> input of this very job that is copied, not mounted.
    """

    config: dict[str, Any]
    small: dict[str, Path]

    @property
    def mounts(self) -> list[Mount]:
        """All but that of small inputs."""
        found: list[Mount] = self.config["HostConfig"]["Mounts"]
        return found

    def shown(self) -> list[Shown]:
        """What the host has now where its mounts come from, by the paths at which it is to be inside."""
        found = ((mount["Target"], os.stat(mount["Source"])) for mount in self.mounts)
        return [(target, status.st_dev, status.st_ino) for target, status in found]

    def key(self) -> str:
        """Equal where one container can stand for another, now.

        Raises:
            OSError: What it shows is gone.
        """
        below = _mounted_below(mount["Source"] for mount in self.mounts)
        return json.dumps([self.config, bool(self.small), self.shown(), below], sort_keys=True)


def alike(job: Job, config: dict[str, Any]) -> Alike | None:
    """What is to be made for jobs like this one; None where none can be made before its job is known.

    Args:
        job: The job. What it edits, or reaches through a socket, is its own; and what rules hide could be
            moved away under a container that stands.
        config: Its container, as the engine wants it.
    """
    if rules(job) or job.network_socket or any(path.is_socket() for path in job.inputs.values()):
        return None
    if not all(name.isidentifier() for name in job.inputs):
        return None
    small = {name: path for name, path in job.inputs.items() if is_small(path)}
    copied = {input_path(name, path) for name, path in small.items()}
    host = config["HostConfig"]
    mounts = [mount for mount in host["Mounts"] if mount["Target"] not in copied]
    labels = {name: value for name, value in config["Labels"].items() if name != JOB_LABEL}
    return Alike({**config, "Labels": labels, "HostConfig": {**host, "Mounts": mounts}}, small)


def prepare(alike: Alike, folder: Path) -> None:
    """Make the folder that is shown as that of the inputs: what is mounted in it needs its place."""
    folder.mkdir()
    folder.chmod(0o755)
    for mount in alike.mounts:
        if mount["Target"].startswith(f"{INPUTS}/"):
            place = folder / os.path.relpath(mount["Target"], INPUTS)
            place.parent.mkdir()
            place.parent.chmod(0o755)
            if os.path.isdir(mount["Source"]):
                place.mkdir()
            else:
                place.touch()


# As the kernel writes names there.
_ESCAPED = {ord(character): f"\\{ord(character):03o}" for character in " \t\n\\"}


def _mounted_below(sources: Iterable[str]) -> list[str]:
    """Mounts below what is shown: a container has those that were there when it started."""
    folders = tuple(f"{source.translate(_ESCAPED)}/" for source in sources)
    with open("/proc/self/mountinfo", errors="surrogateescape") as lines:
        found = (line.split() for line in lines)
        return sorted(f"{fields[2]} {fields[4]}" for fields in found if fields[4].startswith(folders))
