"""The scorer's snapshot is readable in the sandbox, whatever the user's umask."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_plugin.cleaning import clean_lab
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.locking import lock_lab
from lab_plugin.scorer import FileHasher, Snapshot, materialise_snapshot, remove_unused, store_snapshot


async def test_a_strict_umask_hides_nothing_from_the_scorer(
    make_lab: Callable[..., Path], home: Path
) -> None:
    before = os.umask(0o077)
    try:
        lab = Lab.open(make_lab())
        sandbox = lab.sandbox()
        done = await lock_lab(lab, sandbox)
        await sandbox.close()
        lab.close()
    finally:
        os.umask(before)
    assert done.opened


async def test_a_lab_toml_that_changes_while_it_is_locked_is_not_locked(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    lab = Lab.open(folder)
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace('goal    = "minimize"', 'goal    = "maximize"'))
    sandbox = lab.sandbox()
    with pytest.raises(LockError, match="changed while it was locked"):
        await lock_lab(lab, sandbox)
    assert lab.ledger.head() is None
    await sandbox.close()
    lab.close()


def test_a_scorer_file_that_changes_while_it_is_read_is_refused(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    lab = Lab.open(folder)
    files = lab.terms().files
    (folder / "scorer" / "score.py").write_text("print(1)\n")
    with pytest.raises(LockError, match="changed while it was read"):
        store_snapshot(lab.repository, folder, files)
    lab.close()


def snapshot_of(lab: Lab) -> Snapshot:
    files = lab.scorer_files()
    tree = store_snapshot(lab.repository, lab.config.folder, files)
    return materialise_snapshot(lab.repository, tree, files, lab.folder / "snapshots", FileHasher())


@pytest.mark.parametrize("harm", ["edit", "add", "remove", "link", "linked folder", "mode"])
def test_a_snapshot_that_was_tampered_with_is_found_before_each_use(
    make_lab: Callable[..., Path], home: Path, harm: str
) -> None:
    lab = Lab.open(make_lab())
    snapshot = snapshot_of(lab)
    snapshot.require_intact()
    file = snapshot.folder / "scorer" / "score.py"
    if harm == "edit":
        file.chmod(0o644)
        file.write_bytes(file.read_bytes().replace(b"100", b"001"))
    elif harm == "add":
        (snapshot.folder / "scorer" / "json.py").write_text("")
    elif harm == "link":
        (snapshot.folder / "scorer" / "json.py").symlink_to("/etc/passwd")
    elif harm == "linked folder":
        (snapshot.folder / "json").symlink_to("/tmp")
    elif harm == "mode":
        file.chmod(0o755)
    else:
        file.unlink()
    with pytest.raises(LockError, match="not what the lock says"):
        snapshot.require_intact()
    snapshot.close()
    # The next command makes it again from git.
    again = snapshot_of(lab)
    again.require_intact()
    again.close()
    lab.close()


def test_a_snapshot_in_use_is_not_cleaned_away(make_lab: Callable[..., Path], home: Path) -> None:
    lab = Lab.open(make_lab())
    first, second = snapshot_of(lab), snapshot_of(lab)
    (lab.folder / "snapshots" / ".partial-left").mkdir()
    assert remove_unused(lab.folder / "snapshots") == 0
    assert [path.name for path in (lab.folder / "snapshots").iterdir()] == [first.folder.name]
    first.close()
    clean_lab(lab)
    second.require_intact()
    second.close()
    assert clean_lab(lab).bytes > 0
    assert not second.folder.exists()
    lab.close()


def test_many_that_need_a_snapshot_at_once_get_it_whole(make_lab: Callable[..., Path], home: Path) -> None:
    lab = Lab.open(make_lab())
    with ThreadPoolExecutor(8) as pool:
        snapshots = [work.result() for work in [pool.submit(snapshot_of, lab) for _ in range(16)]]
    for snapshot in snapshots:
        snapshot.require_intact()
        snapshot.close()
    assert len(list((lab.folder / "snapshots").iterdir())) == 1
    lab.close()
