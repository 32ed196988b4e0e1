"""`lab verify` and `lab attest` from the terminal."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import git
from tests.program import Cli, document
from tests.verification.conftest import kept, template

__all__ = ["kept", "template"]


def test_a_lab_its_idea_and_its_attestation(cli: Cli, kept: Path, tmp_path: Path) -> None:
    folder = kept
    assert "every link, record and branch agrees" in cli("verify", cwd=folder).stdout
    told = cli("verify", "1", cwd=folder).stdout
    assert "idea 1: kept" in told and "`lab verify 1 --rerun`" in told
    again = document(cli("verify", "best", "--rerun", "--json", cwd=folder))
    assert again["ok"] and again["rerun"]["outcome"] == "equal" and again["problems"] == []
    assert "none is named" in cli("verify", "--rerun", cwd=folder, code=1).stderr

    plain = cli("attest", "1", cwd=folder).stdout
    written = document(cli("attest", "1", "-o", "a.json", "--json", cwd=folder))
    assert (folder / "a.json").read_text() == plain and not written["signed"]
    checked = document(cli("verify", "a.json", "--json", cwd=folder))
    assert checked["ok"] and checked["proved_by"] == ["repository"]
    assert "is a file" in cli("verify", "a.json", "--rerun", cwd=folder, code=1).stderr
    (tmp_path / "b.json").write_text(plain.replace('"seed": 0', '"seed": 1'))
    edited = cli("verify", str(tmp_path / "b.json"), cwd=folder, code=1).stdout
    assert "predicate.score.seed: expected 0, found 1" in edited
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "a.json").write_text(plain)
    assert "nothing here proves it" in cli("verify", "a.json", cwd=alone, code=1).stdout
    assert "cannot be read" in cli("verify", "missing.json", cwd=alone, code=1).stderr
    assert "cannot be written" in cli("attest", "-o", "/nonexistent/a.json", cwd=folder, code=1).stderr

    git(folder, "update-ref", "refs/heads/lab/rosenbrock/ideas/0099-x", "main")
    failed = cli("verify", cwd=folder, code=1).stdout
    assert "0099-x has no record in the ledger" in failed and "remedy: " in failed
    problems = json.loads(cli("verify", "--json", cwd=folder, code=1).stdout)["problems"]
    assert {"commit", "what", "remedy", "record", "idea", "expected", "found"} == set(problems[0])


def test_signing_that_fails_is_told_before_anything_runs(
    cli: Cli, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_lab()
    git(folder, "config", "commit.gpgSign", "true")
    git(folder, "config", "gpg.format", "ssh")
    git(folder, "config", "user.signingKey", str(tmp_path / "gone"))
    done = cli("lock", cwd=folder, code=1)
    assert "did not sign with the key" in done.stderr and "remedy: " in done.stderr
    assert git(folder, "for-each-ref", "refs/lab/rosenbrock/ledger") == ""
