"""The owner's wishes in git: one ref, changed by compare-and-swap."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from lab_plugin.errors import LabError, RefConflict, RepositoryError
from lab_plugin.queue._wishes import LARGEST, Unfit, Wishes
from lab_plugin.repository import RefChange, Repository

_TRIES = 200
_LONGEST_PAUSE = 0.05


class WishStore:
    """Reads and changes the wishes; any number of processes may do so at once.

    Args:
        repository: The repository.
        ref: `refs/lab/<lab>/queue`; there is none while nothing is wished.
    """

    def __init__(self, repository: Repository, ref: str) -> None:
        self.ref = ref
        self._repository = repository

    @property
    def version(self) -> str:
        """The object that the ref is at, "" without one; starts no process."""
        return self._repository.ref(self.ref) or ""

    def read(self, version: str | None = None) -> Wishes:
        """The wishes now, or as of a version.

        Raises:
            LabError: They cannot be read; the remedy says how to be rid of them.
        """
        version = self.version if version is None else version
        if not version:
            return Wishes()
        try:
            return Wishes.decode(self._repository.read_blob(version, LARGEST))
        except (Unfit, RepositoryError) as error:
            reason = error.message if isinstance(error, LabError) else str(error)
            raise LabError(
                f"The queue's wishes ({self.ref}) cannot be read: {reason}",
                f"Remove them, and give them anew: git update-ref -d {self.ref}",
            ) from None

    def change(self, edit: Callable[[Wishes], Wishes]) -> Wishes:
        """Change the wishes, whoever else does so at the same time.

        Args:
            edit: Makes new wishes of those of the moment; may be called several times.

        Returns:
            The wishes, read back.

        Raises:
            LabError: They cannot be read, or are too many.
            RefConflict: Others keep changing them.
            RepositoryError: git refuses.
        """
        for _ in range(_TRIES):
            try:
                self._repository.update_refs(self.planned(edit))
            except RefConflict:
                # Not all at once again.
                time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - it spreads tries
            else:
                return self.read()
        raise RefConflict(f"Others keep changing {self.ref}.", "Run the command again.")

    def planned(self, edit: Callable[[Wishes], Wishes]) -> list[RefChange]:
        """What changes the wishes of this moment, for a transaction of the caller's.

        Raises:
            LabError: They cannot be read, or are too many.
        """
        version = self.version
        before = self.read(version)
        after = edit(before)
        if before == after:
            return []
        if not after:
            return [RefChange(self.ref, None, version)]
        data = after.encode()
        if len(data) > LARGEST:
            raise LabError("The queue holds too many wishes.", "Let a campaign decide some ideas first.")
        return [RefChange(self.ref, self._repository.write_blob(data), version)]
