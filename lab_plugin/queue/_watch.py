"""The wishes as a running campaign sees them: looked at often, read when they changed."""

from __future__ import annotations

from collections.abc import Iterable

from lab_plugin.errors import LabError
from lab_plugin.queue._store import WishStore
from lab_plugin.queue._wishes import Wishes


class WishWatch:
    """The last good wishes.

    Args:
        store: Where they are.

    Attributes:
        wishes: As of the last look; what cannot be read changes nothing.
        fault: Why they cannot be read; empty while they can.
    """

    def __init__(self, store: WishStore) -> None:
        self.wishes = Wishes()
        self.fault = ""
        self._store = store
        self._seen: str | None = None

    def look(self) -> bool:
        """Look whether they changed; costs a tenth of a millisecond, and starts no process.

        Returns:
            Whether wishes or fault are others than before.
        """
        version = self._store.version
        if version == self._seen:
            return False
        self._seen = version
        before = (self.wishes, self.fault)
        try:
            self.wishes, self.fault = self._store.read(version), ""
        except LabError as error:
            self.fault = str(error)
        return (self.wishes, self.fault) != before

    def settle(self, numbers: Iterable[int]) -> None:
        """Forget what was wished of ideas that have their verdict; nothing where nothing was.

        Raises:
            RepositoryError: git refuses, or others keep changing the wishes; they are forgotten later.
        """
        gone = set(numbers)
        self.look()
        if not self.fault and self.wishes.without(gone) != self.wishes:
            self._store.change(lambda wishes: wishes.without(gone))
            self.look()
