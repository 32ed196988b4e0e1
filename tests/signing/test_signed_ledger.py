"""A ledger of a user whose git signs commits."""

import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from lab_plugin.errors import LedgerError, SigningError
from lab_plugin.ledger import CampaignRecord, Ledger, LockRecord
from lab_plugin.repository import RefChange, Repository
from tests.signing.conftest import configure, make_key

AT = "2026-01-31T04:05:06Z"


@pytest.fixture
def folder(tmp_path: Path, ssh_user: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    (path / "train.py").write_text("print(1)\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


def opened(folder: Path) -> Ledger:
    return Ledger(Repository.open(folder), "x")


def lock(folder: Path) -> None:
    repository = Repository.open(folder)
    base = repository.head()
    tree = repository.tree_of(base)
    record = LockRecord(
        at=AT, lab="x", epoch=1, reason="r", digest="d", metric="m", goal="maximize", commit=base, tree=tree,
        value=0.5,
    )  # fmt: skip
    best = RefChange("refs/heads/lab/x/best", base, "")
    opened(folder).append(record, candidate=base, tree=tree, changes=[best])


def campaign(folder: Path, number: int = 1, event: str = "opened") -> None:
    record = CampaignRecord(at=AT, campaign=number, event=event, strategy="tpe")
    opened(folder).append(record, candidate=None)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_commit_is_signed_and_git_agrees(folder: Path) -> None:
    lock(folder)
    campaign(folder)
    proof = opened(folder).prove()
    assert proof.problems == ()
    assert (proof.signatures.signed, dict(proof.signatures.good)) == (3, {"ada@localhost": 3})
    words = git(folder, "log", "--first-parent", "--format=%G? %GS", "refs/lab/x/ledger").splitlines()
    assert words[:3] == ["G ada@localhost"] * 3
    assert git(folder, "fsck", "--strict") == ""


def test_one_that_cannot_sign_writes_nothing(folder: Path) -> None:
    lock(folder)
    head = git(folder, "rev-parse", "refs/lab/x/ledger")
    objects = sorted((folder / ".git/objects").rglob("*"))
    configure(user__signingKey="~/gone")
    with pytest.raises(SigningError):
        campaign(folder)
    with pytest.raises(SigningError):
        opened(folder).require_signing()
    assert git(folder, "rev-parse", "refs/lab/x/ledger") == head
    assert sorted((folder / ".git/objects").rglob("*")) == objects


def test_a_signed_ledger_stays_signed(folder: Path) -> None:
    lock(folder)
    configure(commit__gpgSign="false")
    with pytest.raises(LedgerError, match="is signed") as raised:
        campaign(folder)
    assert "user.signingKey" in raised.value.remedy


def test_one_that_was_begun_without_may_go_on_signed(folder: Path) -> None:
    configure(commit__gpgSign="false")
    lock(folder)
    assert not opened(folder).require_signing()
    configure(commit__gpgSign="true")
    assert opened(folder).prove().signatures.wanted
    assert opened(folder).require_signing()
    campaign(folder)
    proof = opened(folder).prove()
    assert proof.problems == () and proof.signatures.signed == 1


def rewrite(folder: Path, *, keep_signature: bool) -> None:
    """What somebody without the key can do: another record in the place of the newest."""
    repository = Repository.open(folder)
    head = repository.ref("refs/lab/x/ledger")
    assert head is not None
    [raw] = repository.raw_commits([head])
    assert raw is not None
    text = raw.message.decode().replace('"reason":""', '"reason":"other"')
    sign = (lambda data: raw.signature) if keep_signature else None
    when = datetime.fromisoformat(AT)
    made = repository.commit(raw.tree, raw.parents, text, when=when, sign=sign)
    repository.update_refs([RefChange("refs/lab/x/ledger", made, head)])


@pytest.mark.parametrize("keep_signature", [False, True])
def test_a_forger_without_the_key(folder: Path, keep_signature: bool) -> None:
    lock(folder)
    campaign(folder)
    rewrite(folder, keep_signature=keep_signature)
    [problem] = opened(folder).verify()
    assert problem.record == 2
    wanted = "its signature is bad" if keep_signature else "it is not signed, and records before it are"
    assert wanted in problem.what and problem.remedy


def test_a_forger_with_another_key(folder: Path, ssh_user: Path) -> None:
    lock(folder)
    make_key(ssh_user / "eve")
    configure(user__signingKey="~/eve")
    campaign(folder)
    [problem] = opened(folder).verify()
    assert "its signature is untrusted" in problem.what and "allowedSignersFile" in problem.remedy
