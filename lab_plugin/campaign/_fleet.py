"""A campaign's way to its workers: what they need of the lab, and the runners of tiers that have a pool."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from lab_plugin import __version__
from lab_plugin import config as configuration
from lab_plugin.epoch import holdout_of, snapshot_of
from lab_plugin.errors import FleetError, LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord
from lab_plugin.remote import (
    Depot,
    Dispatcher,
    Kind,
    Kit,
    OwnersGate,
    RemoteDesk,
    RemoteRunner,
    Tell,
    TrialOrder,
)
from lab_plugin.repository import Blob, Remote, shown_address
from lab_plugin.scorer import FileHasher, Lock, Trial

MAX_DATA_BYTES = 2 << 30


class Fleet:
    """What runs the trials of tiers that have a pool. Made by `open_fleet`.

    Args:
        lab: The lab.
        record: The lock in force.
        lock: Its `lab.lock`.
        address: Of the git remote, as workers reach it.
        desk: Runs orders.
        gate: Where a trial asks before it starts.
        trees: What is on the remote for all trials, by what it is for.
    """

    def __init__(
        self,
        lab: Lab,
        record: LockRecord,
        lock: Lock,
        address: str,
        desk: RemoteDesk,
        gate: OwnersGate,
        trees: Mapping[str, str],
    ) -> None:
        self._lab = lab
        self._record = record
        self._lock = lock
        self._address = address
        self._desk = desk
        self._gate = gate
        self._trees = trees

    def runner(self, tier: str, pool: str, *, sealed: bool = False) -> RemoteRunner:
        """What runs the trials of a tier.

        Args:
            tier: Its name.
            pool: Its work pool.
            sealed: For sealed scorings, which the last tier's pool runs.
        """
        lab, prefix = self._lab.at(tier), "sealed " if sealed else ""
        holdout = lab.config.scorer.holdout
        data = prefix if sealed and holdout is not None and holdout.data is not None else ""

        def make_order(trial: Trial, candidate: str) -> TrialOrder:
            return TrialOrder(
                version=__version__,
                remote=self._address,
                lab=lab.name,
                kit=self._trees["kits"],
                scorer=self._trees[f"{prefix}scorers"],
                data=self._trees.get(f"{data}data"),
                candidate=candidate,
                lock=self._lock.digest,
                tier=tier,
                name=trial.name,
                number=int(trial.idea),
                seed=trial.seed,
                params=dict(trial.params),
                sealed=sealed,
                gpus=lab.config.candidate.gpus,
            )

        return RemoteRunner(self._desk, pool, make_order, lab.config.scorer.metric, self._gate)

    def settle(self, number: int) -> None:
        """An idea has its verdict: its results are not needed any more."""
        self._desk.settle(number)

    async def close(self, *, finished: bool) -> None:
        """End what is left of this campaign's runs, and remove what travelled for it alone.

        Args:
            finished: No idea of it goes on later.
        """
        await self._desk.close(finished=finished)


async def open_fleet(
    lab: Lab, record: LockRecord, lock: Lock, dispatcher: Dispatcher, gate: OwnersGate, tell: Tell
) -> Fleet:
    """Put what workers need of a lab on its git remote.

    Args:
        lab: The lab; it has `[lab] remote`.
        record: The lock in force.
        lock: Its `lab.lock`.
        dispatcher: Brings orders to workers.
        gate: Where a trial asks before it starts.
        tell: Told what the owner should know.

    Raises:
        FleetError: The remote cannot be told to workers, or the data are too large to travel.
        LockError: A file is not what was locked.
        RemoteError: The remote refuses.
    """
    remote = _remote_of(lab)
    trees = {"kits": _kit(lab, record, lock).store(lab.repository), "scorers": snapshot_of(lab, record)}
    if lock.terms.data:
        trees["data"] = _store_data(lab, lock.terms.data)
    if holdout := holdout_of(lab, record):
        trees["sealed scorers"] = holdout
    if lock.terms.holdout_data:
        trees["sealed data"] = _store_data(lab, lock.terms.holdout_data)
    depot = Depot(lab.repository, remote, lab.name, tell)
    desk = RemoteDesk(lab.repository, depot, dispatcher, lab.name, lab.hides, tell)
    kinds: dict[str, Kind] = {"kits": "kits", "scorers": "scorers", "data": "data"}
    needed = [(kinds[name.removeprefix("sealed ")], tree) for name, tree in trees.items()]
    await desk.open(needed, lab.repository.tree_of(record.commit))
    return Fleet(lab, record, lock, remote.address, desk, gate, trees)


def _remote_of(lab: Lab) -> Remote:
    name = lab.config.lab.remote
    if name is None:
        raise FleetError("A tier has a pool, and [lab] remote is missing.", "Name a git remote there.")
    remote = lab.repository.remote(name, base=lab.config.folder)
    web = urlsplit(remote.address).scheme in ("http", "https")
    if shown_address(remote.address) != remote.address and (
        web or ":" in urlsplit(remote.address).netloc.partition("@")[0]
    ):
        raise FleetError(
            f"The address of the git remote {name!r}, {remote.shown}, holds a name or a password, and every "
            "worker would be told it through Prefect.",
            "Take it out of the address; use an SSH key or a credential helper of git on each machine.",
        )
    return remote


def _kit(lab: Lab, record: LockRecord, lock: Lock) -> Kit:
    text = lab.config.source.read_bytes().decode("utf-8")
    blocks = {name: lab.config.blocks[name] for name in lab.config.block_names("sandbox")}
    if configuration.parse(text, str(lab.config.source), blocks).scoring_rules() != lock.terms.rules:
        raise LockError(f"{lab.config.source} changed since it was read.", "Run `lab run` again.")
    tests = {**record.tests_of, lab.config.tier: record.tests}
    return Kit(text, lock, lab.directory, {tier: ids for tier, ids in tests.items() if ids}, blocks)


def _store_data(lab: Lab, files: Mapping[str, str]) -> str:
    """Put data files into git's object store, one at a time, as they were locked."""
    folder = lab.config.folder
    size = sum((folder / path).stat().st_size for path in files)
    if size > MAX_DATA_BYTES:
        raise FleetError(
            f"The data of the lab {lab.name} have {size >> 20:,} MiB, and at most "
            f"{MAX_DATA_BYTES >> 20:,} MiB travel to workers.",
            "Put large data into the image of the tier's sandbox, and read them from there.",
        )
    blobs: dict[str, Blob] = {}
    for path, measured in files.items():
        mode, digest = measured.split(":")
        data = (folder / path).read_bytes()
        if FileHasher.digest(data) != digest:
            raise LockError(f"The data file {path} is not what was locked.", "Run `lab lock`.")
        blobs[path] = Blob(oid=lab.repository.write_blob(data), mode=int(mode, 8))
    return lab.repository.write_tree(blobs)
