"""Who signed a ledger, and whether it was signed to its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab_plugin.ledger._chain import Problem
from lab_plugin.repository import RawCommit, Repository
from lab_plugin.signing import Check, Verifier, read_settings


@dataclass(frozen=True)
class SignatureProof:
    """The signatures of a ledger's commits.

    Attributes:
        signed: How many commits have one, the start included.
        good: Signer -> how many good ones.
        unchecked: How many this machine cannot check.
        why: Why it cannot; "" when it could.
        wanted: The user's git is to sign commits.
        problems: Signatures that do not hold, and commits without one behind one that has it.
    """

    signed: int = 0
    good: Mapping[str, int] = field(default_factory=dict)
    unchecked: int = 0
    why: str = ""
    wanted: bool = False
    problems: tuple[Problem, ...] = ()


def prove_signatures(repository: Repository, lab: str, commits: Sequence[RawCommit | None]) -> SignatureProof:
    """Check every signature, several at a time.

    Args:
        repository: Whose user's configuration says who is believed.
        lab: The lab's name.
        commits: The ledger from its start; None for one that cannot be read.
    """
    settings = read_settings(repository.top)
    signed = [(at, commit) for at, commit in enumerate(commits) if commit is not None and commit.signature]
    if not signed:
        return SignatureProof(wanted=settings.wanted)
    verifier = Verifier(settings)

    def check(item: tuple[int, RawCommit]) -> Check:
        commit = item[1]
        return verifier.check(commit.signed_bytes, commit.signature, _when(commit))

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        checks = list(pool.map(check, signed))
    wrong = [
        Problem(commit.oid, f"its signature is {found.status}: {found.why}", _remedy(lab, found), at)
        for (at, commit), found in zip(signed, checks, strict=True)
        if found.status in ("bad", "untrusted")
    ]
    first = signed[0][0]
    bare = [
        Problem(commit.oid, "it is not signed, and records before it are", _remedy(lab, None), at)
        for at, commit in enumerate(commits)
        if commit is not None and at > first and not commit.signature
    ]
    unchecked = [found for found in checks if found.status == "unchecked"]
    return SignatureProof(
        signed=len(signed),
        good=dict(Counter(found.signer for found in checks if found.status == "good")),
        unchecked=len(unchecked),
        why=unchecked[0].why if unchecked else "",
        wanted=settings.wanted,
        problems=(*wrong, *bare),
    )


def _when(commit: RawCommit) -> datetime | None:
    words = commit.committer.split()
    try:
        return datetime.fromtimestamp(int(words[-2]), UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        return None


def _remedy(lab: str, found: Check | None) -> str:
    if found is not None and found.status == "untrusted":
        return "If you believe this key, add it to git's gpg.ssh.allowedSignersFile, or to your GnuPG keys."
    return f"Compare with a clone that was fetched before: `git log --show-signature refs/lab/{lab}/ledger`."
