"""Commits as the bytes that their ids stand for."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

_SIGNATURE = b"gpgsig "
# The headers of nearly every commit; all others are taken apart line by line.
_USUAL = re.compile(r"tree ([0-9a-f]{40})((?:\nparent [0-9a-f]{40})*)\nauthor ([^\n]*)\ncommitter ([^\n]*)")


class RawCommit(NamedTuple):
    """A commit, read from its own bytes and from nothing else.

    Attributes:
        oid: What it was asked for by.
        proved: The bytes are those that the id stands for.
        tree: Its tree; "" when the bytes name none.
        parents: First parent first.
        author: The line's value, `Name <mail> seconds zone`.
        committer: The same.
        signature: Armored; "" for none.
        others: Names of further headers.
        message: The raw message.
        data: All bytes.
    """

    oid: str
    proved: bool
    tree: str
    parents: tuple[str, ...]
    author: str
    committer: str
    signature: str
    others: tuple[str, ...]
    message: bytes
    data: bytes

    @classmethod
    def parse(cls, oid: str, data: bytes) -> RawCommit:
        """Take the bytes of a commit object apart; never fails, what is not there is empty."""
        hashed = hashlib.sha1(b"commit %d\0" % len(data), usedforsecurity=False)
        hashed.update(data)
        head, _, message = data.partition(b"\n\n")
        headers = _headers(head)
        return cls(oid, hashed.hexdigest() == oid, *headers, message, data)

    @property
    def signed_bytes(self) -> bytes:
        """What the signature was made of: all bytes but its own header."""
        head, gap, message = self.data.partition(b"\n\n")
        lines = head.replace(b"\n ", b"\0").split(b"\n")
        kept = (line for line in lines if not line.startswith(_SIGNATURE))
        return b"\n".join(kept).replace(b"\0", b"\n ") + gap + message


def _headers(head: bytes) -> tuple[str, tuple[str, ...], str, str, str, tuple[str, ...]]:
    """The fields of a `RawCommit` from its tree to its further headers, in their order."""
    usual = _USUAL.fullmatch(head.decode("utf-8", "replace"))
    if usual is not None:
        tree, above, author, committer = usual.groups()
        return tree, tuple(above.split("\nparent ")[1:]), author, committer, "", ()
    # A line that begins with a space goes on with the one before it.
    lines = head.replace(b"\n ", b"\0").decode("utf-8", "replace").split("\n")
    once = {"tree": "", "author": "", "committer": "", "gpgsig": ""}
    parents: list[str] = []
    others: list[str] = []
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "parent":
            parents.append(value)
        elif once.get(name) == "":
            once[name] = value
        else:
            others.append(name)
    signature = once["gpgsig"].replace("\0", "\n")
    return once["tree"], tuple(parents), once["author"], once["committer"], signature, tuple(others)


def with_signature(data: bytes, signature: str) -> bytes:
    """The bytes of a commit with a signature as its last header."""
    head, gap, message = data.partition(b"\n\n")
    lines = signature.rstrip("\n").encode("ascii").replace(b"\n", b"\n ")
    return head + b"\n" + _SIGNATURE + lines + gap + message
