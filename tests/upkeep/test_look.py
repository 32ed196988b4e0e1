"""Each thing that a watchdog looks for, made for real, found, mended, and not found again."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_plugin.lab import Lab
from lab_plugin.queue import Addition, add_idea
from lab_plugin.repository import RefChange, holder
from lab_plugin.upkeep import Finding, findings_table, look_after, outcome
from tests.conftest import git
from tests.upkeep.conftest import Runner


def look(folder: Path, **wanted: Any) -> list[Finding]:
    lab = Lab.open(folder)
    try:
        return look_after(lab, **wanted)
    finally:
        lab.close()


def kinds(findings: list[Finding]) -> dict[str, bool]:
    return {finding.kind: finding.mended for finding in findings}


def test_what_a_dead_campaign_left_is_found_mended_and_gone(
    locked: Path, dies: Callable[[Path], None]
) -> None:
    lab = Lab.open(locked)
    lab.close()
    assert look(locked) == []
    dies(locked)
    seen = look(locked, mend=False)
    assert kinds(seen) == {"lease": False, "leftover": False}
    mended = look(locked)
    assert kinds(mended) == {"lease": True, "leftover": True}
    assert "3 folders" in next(finding.what for finding in mended if finding.kind == "leftover")
    assert outcome(mended) == "Mended"
    assert git(locked, "for-each-ref", lab.lease_ref) == ""
    assert not list((lab.folder / "workspaces").glob("private-?"))
    assert not list(lab.folder.glob("scratch-*"))
    assert look(locked) == []


def test_a_living_holder_keeps_all_that_is_its_own(locked: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lab_plugin.lab import Lab;"
        "from lab_plugin.repository import Lease; lab = Lab.open(Path(sys.argv[1]));"
        "lease = Lease.acquire(lab.repository, lab.lease_ref, 'lab run');"
        "(lab.folder / 'trials' / '0001').mkdir(parents=True); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(locked)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        lab = Lab.open(locked)
        assert look(locked) == []
        assert (lab.folder / "trials" / "0001").is_dir()
        os.kill(process.pid, signal.SIGSTOP)
        # A process that is stopped is not dead.
        assert look(locked) == []
        assert holder(lab.repository, lab.lease_ref) is not None
    finally:
        process.kill()
        process.communicate()


def test_a_lease_of_another_machine_is_named_and_left(locked: Path, dies: Callable[[Path], None]) -> None:
    dies(locked)
    lab = Lab.open(locked)
    there = lab.repository.ref(lab.lease_ref)
    assert there is not None
    text = lab.repository.read_blob(there).decode()
    beat = lab.repository.write_blob(b'{"at": 1.0}')
    old = text.replace('"boot": "', '"boot": "x')
    since = old[old.index('"since": ') : old.index(', "started"')]
    elsewhere = lab.repository.write_blob(old.replace(since, '"since": 1.0').encode())
    heartbeat = lab.lease_ref.replace("/lease", "/heartbeat")
    lab.repository.update_refs([RefChange(lab.lease_ref, elsewhere), RefChange(heartbeat, beat)])
    lab.close()
    findings = look(locked)
    lease = next(finding for finding in findings if finding.kind == "lease")
    assert not lease.mended and "has not been heard of" in lease.what


async def test_the_champions_branch_comes_back(locked: Path, run: Runner) -> None:
    baseline = git(locked, "rev-parse", "HEAD")
    lab = Lab.open(locked)
    add_idea(lab, Addition(params={"x": "1.0", "y": "1.0"}))
    lab.close()
    (record,) = await run(locked, 1)
    assert record.verdict == "kept"
    # As git leaves it that dies between the two renames of a keep.
    git(locked, "update-ref", lab.best_ref, baseline)
    assert kinds(look(locked, mend=False))["champion"] is False
    assert kinds(look(locked))["champion"] is True
    assert git(locked, "rev-parse", lab.best_branch) == record.commit
    # A commit that no ledger has is never thrown away.
    stray = git(locked, "commit-tree", f"{baseline}^{{tree}}", "-p", baseline, "-m", "by hand")
    git(locked, "update-ref", lab.best_ref, stray)
    drifted = next(finding for finding in look(locked) if finding.kind == "champion")
    assert not drifted.mended and "git branch -f" in drifted.remedy
    assert git(locked, "rev-parse", lab.best_branch) == stray


def test_a_scorer_that_changed_a_full_disk_and_a_damaged_idea(locked: Path) -> None:
    lab = Lab.open(locked)
    git(locked, "update-ref", f"{lab.open_prefix}0009-damaged", git(locked, "rev-parse", "HEAD"))
    lab.close()
    scorer = locked / "scorer" / "score.py"
    scorer.write_text(scorer.read_text() + "\n# changed\n")
    findings = look(locked, least_free=1e9)
    assert kinds(findings) == {"lock": False, "idea": False, "disk": False}
    assert outcome(findings) == "Needs attention"
    shown = findings_table("lab", findings)
    assert "score.py" in shown and "0009-damaged" in shown and "are free" in shown


def test_a_clone_without_the_ledger_says_how_to_get_it(locked: Path, tmp_path: Path) -> None:
    git(locked, "add", "-A")
    git(locked, "commit", "-qm", "Lock")
    git(tmp_path, "clone", "-q", str(locked), "clone")
    (finding,) = look(tmp_path / "clone")
    assert finding.kind == "lock"
    command = finding.remedy.partition("`git ")[2].rstrip("`.")
    git(tmp_path / "clone", *shlex.split(command))
    assert "lock" not in kinds(look(tmp_path / "clone"))


async def test_verdicts_that_mlflow_lacks_are_counted(locked: Path, run: Runner) -> None:
    from lab_plugin.mirroring import make_mirror

    await run(locked, 2)
    lab = Lab.open(locked)
    make_mirror(lab).sync()
    lab.close()
    assert look(locked) == []
    await run(locked, 3)
    (finding,) = look(locked)
    assert (finding.kind, finding.what) == ("mirror", "MLflow lacks 3 of the verdicts")
