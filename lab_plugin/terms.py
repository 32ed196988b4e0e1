"""All that makes a score, read from the working tree and this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from lab_plugin.config import Config, is_scorer_file, scorer_files
from lab_plugin.home import Home
from lab_plugin.scorer import EnvironmentMeter, FileHasher, Terms, shown_changes

Look = Literal["recent", "now", "whole", "trusted"]
"""How closely the environment is looked at: a while ago at most; now, by stat; now, with every file read
unless that was done within the hour; the same, and taken as it is, as only `lab lock` does."""


class TermsReader:
    """Reads the terms of one lab. Safe for several threads.

    Args:
        config: The lab's configuration.
        home: Where environments are remembered, for all labs of this user.
        hasher: Hashes the lab's files.
        image: The digest of the image that programs run in; None where they run on this machine's files.
    """

    def __init__(
        self, config: Config, home: Home, hasher: FileHasher, image: Callable[[], str | None]
    ) -> None:
        self._config = config
        self._home = home
        self._hasher = hasher
        self._image = image
        self._lock = threading.Lock()
        self._meter: EnvironmentMeter | None = None

    def read(self, look: Look = "recent", environment: dict[str, Any] | None = None) -> Terms:
        """The terms as they are now.

        Args:
            look: At the environment; files of the lab are looked at every time.
            environment: What stands for the environment, which is not looked at then; None to look at it.

        Raises:
            LockError: A file or the interpreter cannot be read, or bytecode in the environment is not what
                its source compiles to.
            SandboxUnavailable: There is no engine that has the image.
        """
        folder, scorer = self._config.folder, self._config.scorer
        sealed = scorer_files(folder, scorer.holdout.files) if scorer.holdout else []
        measure = self._hasher.measure
        return Terms(
            files=self.scorer_files(),
            data=measure(folder, [path for data in self._config.data for path in self._beneath(data)]),
            holdout=measure(folder, sealed),
            holdout_data=measure(folder, self._beneath(scorer.holdout.data if scorer.holdout else None)),
            rules=self._config.scoring_rules(),
            environment=self.environment(look) if environment is None else environment,
        )

    def scorer_files(self) -> dict[str, str]:
        """The public scorer's files: path -> `<mode>:<sha256>`; what is the hold-out's too is left out.

        Raises:
            LockError: One cannot be read.
        """
        folder = self._config.folder
        public = [
            path for path in scorer_files(folder, self._config.scorer_patterns) if not self._is_sealed(path)
        ]
        return self._hasher.measure(folder, public)

    def changes(self) -> tuple[str, ...]:
        """Lines that name the environment's files that the last look found changed since the lock."""
        return shown_changes(self._meter.changed) if self._meter is not None else ()

    def environment(self, look: Look) -> dict[str, object]:
        """The interpreter and all that is installed, or the digest of the image.

        Args:
            look: How closely it is looked at.

        Raises:
            LockError: The interpreter cannot be read, or bytecode is not what its source compiles to.
            SandboxUnavailable: There is no engine that has the image.
        """
        python = self._config.sandbox.python
        if image := self._image():
            # An image's digest says all that is in it.
            return {"image": image, "python": python or "python"}
        with self._lock:
            if self._meter is None:
                self._meter = EnvironmentMeter(Path(python) if python else None, self._home.environments)
        if look == "recent":
            return self._meter.recent().to_json()
        whole, trust = look != "now", look == "trusted"
        return self._meter.measure(whole=whole, trust=trust).to_json()

    def _is_sealed(self, path: str) -> bool:
        holdout = self._config.scorer.holdout
        return holdout is not None and is_scorer_file(path, holdout.files)

    def _beneath(self, data: str | None) -> list[str]:
        """The files of a data file or folder, relative to the lab's folder."""
        if data is None:
            return []
        folder = self._config.folder
        root = folder / data
        if root.is_file():
            return [data]
        return sorted(path.relative_to(folder).as_posix() for path in root.rglob("*") if not path.is_dir())
