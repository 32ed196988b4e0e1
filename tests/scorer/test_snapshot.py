"""The scorer's snapshot is readable in the sandbox, whatever the user's umask."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.locking import lock_lab
from lab_plugin.scorer import store_snapshot


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
