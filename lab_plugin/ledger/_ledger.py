"""The append-only list of verdicts: a chain of commits under one ref."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from lab_plugin.errors import LedgerError
from lab_plugin.ledger import _recover
from lab_plugin.ledger._chain import Entry, Problem, genesis_message, read_chain, record_of
from lab_plugin.ledger._codec import decode, line_of, time_of, to_message
from lab_plugin.ledger._records import Record
from lab_plugin.ledger._state import State
from lab_plugin.ledger._verify import Proof, prove
from lab_plugin.repository import EMPTY_TREE, Commit, RefChange, Repository
from lab_plugin.signing import Signer, open_signer


class Ledger:
    """The ledger of one lab.

    A commit's first parent is the ledger commit before it, its second parent the commit that the record is
    about. The first commit of all holds no record. Safe for several threads.

    Attributes:
        lab: The lab's name.
        ref: `refs/lab/<lab>/ledger`.
    """

    def __init__(self, repository: Repository, lab: str) -> None:
        self.lab = lab
        self.ref = f"refs/lab/{lab}/ledger"
        self._repository = repository
        self._lock = threading.RLock()
        self._head: str | None = None
        self._loaded = False
        self._entries: list[Entry] = []
        self._problems: list[Problem] = []
        self._state = State()
        self._signer: Signer | None = None
        self._asked = False

    def head(self) -> str | None:
        """The newest ledger commit, None while there is none."""
        return self._repository.ref(self.ref)

    def records(self) -> Sequence[Entry]:
        """All readable records, oldest first; only what is new since the last call is read.

        A record that cannot be read is left out and told by `problems`.

        Raises:
            LedgerError: A ledger commit is missing.
        """
        with self._lock:
            self._refresh()
            return tuple(self._entries)

    def problems(self) -> Sequence[Problem]:
        """The records that `records` left out."""
        with self._lock:
            self._refresh()
            return tuple(self._problems)

    def state(self) -> State:
        """What the ledger says now.

        Raises:
            LedgerError: A ledger commit is missing.
        """
        with self._lock:
            self._refresh()
            return self._state

    def tip(self) -> tuple[str | None, State]:
        """The newest ledger commit, None while there is none, and what the ledger says there.

        Raises:
            LedgerError: A ledger commit is missing.
        """
        with self._lock:
            self._refresh()
            return self._head, self._state

    def ahead(self, head: str) -> tuple[State, list[Entry]]:
        """What the ledger would say at a later commit, and the readable records until there.

        Args:
            head: A ledger commit that comes after the newest one here; the ref stays where it is.

        Raises:
            LedgerError: A ledger commit is missing.
        """
        with self._lock:
            self._refresh()
            state = self._state
            entries: list[Entry] = []
            for commit in read_chain(self._repository, self.lab, head, self._head):
                if commit.parents:
                    with suppress(ValueError):
                        entries.append(Entry(commit.oid, record_of(commit)))
                        state = state.with_record(entries[-1].record)
            return state, entries

    def append(
        self,
        record: Record,
        *,
        candidate: str | None,
        tree: str | None = None,
        changes: Sequence[RefChange] = (),
    ) -> Entry:
        """Append a record and move other refs, in one transaction.

        Args:
            record: The record.
            candidate: The commit that it is about; becomes the second parent, so that git never drops it.
            tree: The ledger commit's tree; the empty tree by default.
            changes: Refs that move with it.

        Returns:
            The entry as it is stored: with its position.

        Raises:
            RefConflict: Somebody appended since `records` or `state` was last called, or another ref of the
                transaction is not what was expected; nothing moved.
            LedgerError: The record cannot be written as JSON, or would be the first one without a signature.
            SigningError: The user's git is to sign commits, and cannot; nothing moved.
            RepositoryError: git refuses; nothing moved.
        """
        with self._lock:
            if not self._loaded:
                self._refresh()
            following = len(self._entries) + len(self._problems) + 1
            message = to_message(record.model_copy(update={"sequence": following}))
            when = time_of(record.at) or datetime.now(UTC)
            write = partial(self._repository.commit, when=when, sign=self._sign())
            parent = self._head or write(EMPTY_TREE, [], genesis_message(self.lab))
            parents = [parent] if candidate is None else [parent, candidate]
            commit = write(tree or EMPTY_TREE, parents, message)
            # First, because all other refs can be derived from it.
            decisive = RefChange(self.ref, commit, self._head or "")
            self._repository.update_refs([decisive, *changes])
            entry = Entry(commit, decode(line_of(message.encode("ascii"))))
            self._take(entry)
            self._head = commit
            return entry

    def verify(self) -> list[Problem]:
        """Prove the whole chain again from git; empty when all is as it should be."""
        return list(self.prove().problems)

    def prove(self) -> Proof:
        """Prove the whole chain again from git: bytes, links, records, signatures, and the branches."""
        return prove(self._repository, self.lab)

    def require_signing(self) -> bool:
        """See that a record could be appended, as far as signing goes; nothing is written.

        Returns:
            Whether it would be signed.

        Raises:
            LedgerError: The ledger is signed, and the user's git is not to sign.
            SigningError: It is to sign, and cannot.
        """
        with self._lock:
            self._refresh()
            sign = self._sign()
            if sign is not None:
                sign(b"Is the key at hand?\n")
            return sign is not None

    def recover(self, fence: Sequence[RefChange] = ()) -> list[str]:
        """Finish what a machine that stopped in the middle of a transaction left half done.

        The ledger moves first, so the newest record says where its branch and the champion belong. Call it
        when the lease is held.

        Args:
            fence: Checks that go into the transaction.

        Returns:
            What was mended, one line each; mostly nothing.

        Raises:
            RefConflict: A check failed; nothing moved.
        """
        with self._lock:
            return _recover.recover(self._repository, self.lab, self.state(), fence)

    def _sign(self) -> Callable[[bytes], str] | None:
        """What signs the next commit; None for a ledger without signatures."""
        if not self._asked:
            self._signer = open_signer(self._repository.top)
            self._asked = True
        if self._signer is not None:
            return self._signer.sign
        if self._head is not None:
            [raw] = self._repository.raw_commits([self._head])
            if raw is not None and raw.signature:
                raise LedgerError(
                    f"The ledger of the lab {self.lab} is signed, and your git is not configured to sign.",
                    "Set commit.gpgSign, gpg.format and user.signingKey in your git configuration; a signed "
                    "ledger stays signed.",
                )
        return None

    def _forget(self) -> None:
        self._head = None
        self._loaded = False
        self._entries = []
        self._problems = []
        self._state = State()

    def _refresh(self) -> None:
        head = self.head()
        if self._loaded and head == self._head:
            return
        if head is None:
            self._forget()
        else:
            chain = read_chain(self._repository, self.lab, head, self._head)
            if self._head is not None and (not chain or chain[0].parents[:1] != (self._head,)):
                # The ref was moved to another history: read that one from its start.
                self._forget()
                chain = read_chain(self._repository, self.lab, head, None)
            for commit in chain:
                self._read(commit)
        self._head = head
        self._loaded = True

    def _read(self, commit: Commit) -> None:
        if not commit.parents:
            return
        try:
            self._take(Entry(commit.oid, record_of(commit)))
        except ValueError as error:
            self._problems.append(
                Problem(commit.oid, f"unreadable record: {error}", "The idea is left out; all others count.")
            )

    def _take(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._state = self._state.with_record(entry.record)
