"""Results of ideas at the tiers before the last; a view that never changes."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.ledger._records import TierRecord


class _Log:
    """Results in order; only ever appended to, so that every earlier length stays a valid view."""

    def __init__(self) -> None:
        self.items: list[TierRecord] = []
        self.at: dict[tuple[int, int, str], int] = {}
        self.trees: dict[tuple[int, str, str], int] = {}


class Results:
    """Iterates over the results in the order of the ledger."""

    def __init__(self, log: _Log | None = None, length: int = 0) -> None:
        self._log = log or _Log()
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[TierRecord]:
        return iter(self._log.items[: self._length])

    def get(self, epoch: int, number: int, tier: str) -> TierRecord | None:
        """The result of an idea at a tier in an epoch of the lock."""
        return self._item(self._log.at.get((epoch, number, tier)))

    def find_tree(self, epoch: int, tier: str, tree: str, after: int = 0) -> TierRecord | None:
        """The newest result of a tree at a tier.

        Args:
            epoch: Of the lock.
            tier: The tier.
            tree: The tree.
            after: Only records behind this position of the ledger.
        """
        found = self._item(self._log.trees.get((epoch, tier, tree)))
        return found if found is not None and found.sequence > after else None

    def with_result(self, record: TierRecord) -> Results:
        """These and one more; a second one of an idea at a tier in an epoch changes nothing."""
        if self.get(record.epoch, record.number, record.tier) is not None:
            return self
        log = self._log
        if len(log.items) != self._length:
            log = _Log()
            for item in self:
                _append(log, item)
        _append(log, record)
        return Results(log, len(log.items))

    def _item(self, position: int | None) -> TierRecord | None:
        if position is None or position >= self._length:
            return None
        return self._log.items[position]


def _append(log: _Log, record: TierRecord) -> None:
    position = len(log.items)
    log.items.append(record)
    log.at[record.epoch, record.number, record.tier] = position
    log.trees[record.epoch, record.tier, record.tree] = position
