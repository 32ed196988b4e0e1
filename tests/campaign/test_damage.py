"""A damaged record or a branch that was moved by hand costs one idea at most, never the lab."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.repository import RefChange
from tests.campaign.conftest import Runner, git, lock
from tests.campaign.test_misbehaviour import editing_lab


def damage(folder: Path, number: int) -> None:
    """Write the ledger again with one verdict that nobody can read."""
    lab = Lab.open(folder)
    repository, head = lab.repository, lab.ledger.head()
    assert head is not None
    records = {entry.commit: entry.record for entry in lab.ledger.records()}
    before: list[str] = []
    for commit in repository.first_parents(head)[::-1]:
        record = records.get(commit.oid)
        hit = isinstance(record, VerdictRecord) and record.number == number
        message = "damaged\n\n{\n" if hit else commit.message.decode()
        before = [repository.commit(commit.tree, [*before, *commit.parents[1:]], message)]
    repository.update_refs([RefChange(lab.ledger.ref, before[0], head)])
    lab.close()


async def test_the_number_of_a_damaged_record_is_not_given_again(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = editing_lab(make_lab, "pass")
    await lock(folder)
    await run(folder, 2)
    damage(folder, 2)
    (record,) = await run(folder, 1)
    assert record.number == 3


async def test_the_campaign_goes_on_from_the_champion_before_a_damaged_one(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    records: list[VerdictRecord] = []
    while not any(record.verdict == "kept" for record in records):
        records += await run(folder, 5)
    kept = [record for record in records if record.verdict == "kept"][-1]
    damage(folder, kept.number)
    await run(folder, 1)
    lab = Lab.open(folder)
    champion = lab.ledger.state().champion
    assert champion is not None and champion.commit != kept.commit
    assert git(folder, "rev-parse", lab.best_branch) == champion.commit
    assert git(folder, "rev-parse", kept.branch) == kept.commit
    lab.close()


async def test_a_champion_branch_that_was_deleted_is_made_again_by_a_lock(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    git(folder, "branch", "-D", "lab/rosenbrock/best")
    await lock(folder, reason="again", baseline="main")
    assert git(folder, "rev-parse", "lab/rosenbrock/best") == git(folder, "rev-parse", "main")


async def test_a_champion_branch_with_the_users_own_commit_is_not_moved(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    git(folder, "commit", "-q", "--allow-empty", "-m", "Mine")
    git(folder, "branch", "-f", "lab/rosenbrock/best", "main")
    with pytest.raises(RepositoryError, match="not at the champion"):
        await run(folder, 1)
    assert git(folder, "rev-parse", "lab/rosenbrock/best") == git(folder, "rev-parse", "main")


async def test_a_lost_ledger_is_not_begun_anew_over_its_champion(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    git(folder, "update-ref", "-d", "refs/lab/rosenbrock/ledger")
    with pytest.raises(RepositoryError, match="no lock in the ledger"):
        await lock(folder)
