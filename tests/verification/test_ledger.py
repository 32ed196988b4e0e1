"""`lab verify`: the whole ledger of a real lab, here and in a clone."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.errors import LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import canonical
from lab_plugin.repository import Blob, RefChange
from lab_plugin.verification import prove_lab, require_proof, verify_ledger
from tests.conftest import git


@contextmanager
def opened(folder: Path) -> Iterator[Lab]:
    lab = Lab.open(folder)
    yield lab
    lab.close()


def faults(folder: Path) -> list[str]:
    with opened(folder) as lab:
        return verify_ledger(lab)


def rewrite(lab: Lab, position: int, change: dict[str, Any], tree: str = "") -> None:
    """Change one record and write all that follow it anew, as somebody who may write every object can."""
    repository = lab.repository
    ids = repository.first_parent_ids(lab.ledger.head() or "")[::-1]
    head = ids[position - 1]
    for at, raw in enumerate(repository.raw_commits(ids)):
        if raw is None or at < position:
            continue
        subject, _, line = raw.message.decode().partition("\n\n")
        record = {**json.loads(line), **(change if at == position else {})}
        own = tree if at == position and tree else raw.tree
        message = f"{subject}\n\n{canonical(record)}\n"
        when = datetime.fromisoformat(record["at"])
        head = repository.commit(own, [head, *raw.parents[1:]], message, when=when)
    repository.update_refs([RefChange(lab.ledger.ref, head)])


def test_a_whole_ledger(kept: Path) -> None:
    with opened(kept) as lab:
        proof = require_proof(lab)
        assert proof.problems == () and proof.of(1) == ()
        assert proof.ledger.records == len(lab.ledger.records()) == 8
        assert [place.record for place, _ in proof.ledger.locks] == [1, 8]
        assert set(proof.ledger.ideas) == {1, 2, 3, 4}


def test_no_ledger_says_how_it_comes_here(kept: Path, tmp_path: Path, home: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(kept), str(clone))
    with pytest.raises(LedgerError, match="no ledger refs/lab/rosenbrock/ledger") as raised:
        faults(clone)
    found = re.search(r"`(git fetch [^`]*)`", raised.value.remedy)
    assert found is not None
    # The command is meant for a person's shell.
    subprocess.run(found[1], shell=True, cwd=clone, check=True, capture_output=True)
    assert faults(clone) == []
    assert git(clone, "for-each-ref", "refs/lab").count("\n") == 0, "the lease stays where it is"
    git(clone, "update-ref", "-d", "refs/lab/rosenbrock/ledger")
    for branch in git(clone, "for-each-ref", "--format=%(refname)", "refs/heads/lab").split():
        git(clone, "update-ref", "-d", branch)
    git(clone, "fetch", "-q", "origin", "refs/lab/rosenbrock/ledger:refs/lab/rosenbrock/ledger")
    [problem] = faults(clone)
    assert "no branch of the lab rosenbrock is in this repository" in problem


def test_a_lab_that_was_never_locked(kept: Path) -> None:
    for ref in git(kept, "for-each-ref", "--format=%(refname)", "refs/lab", "refs/heads/lab").split():
        git(kept, "update-ref", "-d", ref)
    (kept / "lab.lock").unlink()
    with pytest.raises(LedgerError) as raised:
        faults(kept)
    assert raised.value.remedy == "Run `lab lock`."


def test_a_shallow_clone_says_so(kept: Path, tmp_path: Path, home: Path) -> None:
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{kept}", str(clone))
    specs = ("refs/lab/rosenbrock/ledger:refs/lab/rosenbrock/ledger", "refs/heads/lab/*:refs/heads/lab/*")
    git(clone, "fetch", "-q", "--depth", "2", "origin", *specs)
    with opened(clone) as lab:
        problems = prove_lab(lab).problems
    assert "cut off" in problems[0].what and "--unshallow" in problems[0].remedy
    git(clone, "fetch", "-q", "--unshallow", "origin", *specs)
    assert faults(clone) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("lab.lock", "lab.lock"),
        ("lab.toml", "its lab.toml has another scorer.timeout: expected 10.0, found 11.0"),
        ("snapshot/scorer/score.py", "its scorer file scorer/score.py is not what was locked"),
        ("snapshot/scorer/new.py", "its scorer file scorer/new.py is not what was locked: expected no file"),
    ],
)
def test_what_an_epoch_holds(kept: Path, path: str, told: str) -> None:
    """The tree of the lock's commit is changed, and the record says so too."""
    with opened(kept) as lab:
        lock = lab.ledger.state().lock
        assert lock is not None
        old = lab.repository.read_file(lock.tree, path) if "new" not in path else b""
        new = old.replace(
            b'timeout = "10s"\nmemory  = "256MiB"\n\n[strategy]', b'timeout = "11s"\n\n[strategy]'
        )
        new = new.replace(b'"reason": "a comment"', b'"reason": "another"')
        new = new if new != old else old + b"\n#\n"
        tree = lab.repository.edit_tree(lock.tree, {path: Blob(data=new)})
        rewrite(lab, 8, {"tree": tree}, tree)
        found = verify_ledger(lab)
    assert any("record 8" in line and told in line for line in found), found


def test_a_verdict_that_the_rule_does_not_give(kept: Path) -> None:
    with opened(kept) as lab:
        # Among the ideas of epoch 1, the one that was kept; lower is better.
        record = next(idea for idea in lab.ledger.state().ideas.values() if idea.verdict == "kept")
        number, comparison = record.number, record.comparison
        assert comparison is not None
        place = prove_lab(lab).ledger.ideas[number]
        (lab.folder / "verified.json").unlink()
        scores = {"value": (99.0,) * len(comparison.seeds)}
        told = comparison.model_copy(update={"candidate": scores, "difference": 99.0 - 12.5})
        worse = {"value": 99.0, "metrics": {"value": 99.0}, "difference": 99.0 - 12.5}
        rewrite(lab, place.record, {**worse, "comparison": told.model_dump(mode="json")})
        problems = [problem for problem in prove_lab(lab).problems if "the rule of epoch 1" in problem.what]
    [problem] = problems
    assert (problem.idea, problem.expected, problem.found) == (number, "reverted", "kept")


def test_what_only_hashes_bind_is_missed_by_who_verified_before(kept: Path) -> None:
    """Another reason with everything after it written anew is a valid ledger, and not the one from before."""
    with opened(kept) as lab:
        require_proof(lab)
        rewrite(lab, 3, {"reason": "another"})
        [problem] = prove_lab(lab).problems
        assert "record 8 was another one when the ledger was last verified on this machine" in problem.what
        assert "verified.json" in problem.remedy
        with pytest.raises(LedgerError, match="does not verify"):
            require_proof(lab)
        (lab.folder / "verified.json").write_text("{}")
        assert prove_lab(lab).problems == ()


def test_a_ledger_that_was_cut_back(kept: Path) -> None:
    with opened(kept) as lab:
        require_proof(lab)
        commits = prove_lab(lab).ledger.commits
        lab.repository.update_refs([RefChange(lab.ledger.ref, commits[-2])])
        assert any("found no such record" in line for line in verify_ledger(lab))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"record": "1", "commit": 1}', '{"record": 1, "commit": "x"}', "\xff"]
)
def test_a_memory_that_is_damaged_is_none(kept: Path, text: str) -> None:
    with opened(kept) as lab:
        (lab.folder / "verified.json").write_text(text, "latin-1")
        assert prove_lab(lab).problems == ()
