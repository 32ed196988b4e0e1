"""The loop: what it keeps, what it leaves alone, and how it goes on."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.campaign import Interrupted, Plan, open_campaign
from lab_plugin.errors import LeaseHeld, LockError
from lab_plugin.lab import Lab
from lab_plugin.lock_in_force import require_lock
from lab_plugin.verification import verify_idea, verify_ledger
from tests.campaign.conftest import Runner, git, iterate, lock


def fingerprint(folder: Path) -> dict[str, str]:
    """All of a user's repository that the lab must not touch."""
    found = {
        name: hashlib.sha256((folder / ".git" / name).read_bytes()).hexdigest()
        for name in ("HEAD", "index", "config")
    }
    files = [path for path in folder.rglob("*") if ".git" not in path.parts and path.is_file()]
    found |= {str(path): f"{path.stat().st_mtime_ns}:{path.read_bytes()!r}" for path in files}
    refs = git(folder, "for-each-ref").splitlines()
    found["branches"] = "\n".join(
        ref for ref in refs if "refs/lab/" not in ref and "refs/heads/lab/" not in ref
    )
    found["stash"] = git(folder, "stash", "list")
    return found


async def test_a_campaign_finds_better_and_leaves_the_user_alone(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    (folder / "candidate.py").write_text((folder / "candidate.py").read_text() + "# stashed\n")
    git(folder, "stash")
    (folder / "notes.txt").write_text("not committed\n")
    git(folder, "branch", "mine")
    await lock(folder)
    before = fingerprint(folder)
    records = await run(folder, 15)
    assert fingerprint(folder) == before

    lab = Lab.open(folder)
    state = lab.ledger.state()
    assert state.champion is not None and state.lock is not None
    assert [record.number for record in records] == list(range(1, 16))
    values = [record.value for record in records if record.value is not None]
    assert state.champion.value == min([*values, state.lock.value])
    assert git(folder, "rev-parse", lab.best_branch) == state.champion.commit
    for record in records:
        assert git(folder, "rev-parse", record.branch) == record.commit
        assert git(folder, "rev-parse", f"{record.branch}^{{tree}}") == record.tree
    assert verify_ledger(lab) == []
    rerun = await verify_idea(lab, str(records[-1].number))
    assert rerun.equal, rerun.explanation
    assert lab.repository.refs(lab.open_prefix) == {}
    lab.close()


async def test_the_budget_survives_a_stop(make_lab: Callable[..., Path], run: Runner, home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 6})) as campaign:
        first = []
        async for record in iterate(campaign):
            first.append(record)
            if len(first) == 3:
                campaign.stop("asked")
        assert not campaign.finished
    async with open_campaign(Lab.open(folder), Plan()) as campaign:
        assert campaign.resumed
        second = [record async for record in iterate(campaign)]
        assert campaign.finished
    assert [record.number for record in first + second] == [1, 2, 3, 4, 5, 6]
    assert {record.campaign for record in first + second} == {1}
    assert second[-1].campaign_seconds > first[-1].campaign_seconds


async def test_a_resumed_campaign_proposes_what_an_unbroken_one_would(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    unbroken, broken = make_lab(name="unbroken"), make_lab(name="broken")
    await lock(unbroken)
    await lock(broken)
    whole = await run(unbroken, 14)
    parts = await run(broken, 7)
    parts += await run(broken, 7)
    assert [record.params for record in whole] == [record.params for record in parts]
    assert [record.verdict for record in whole] == [record.verdict for record in parts]


async def test_a_fresh_campaign_forgets_for_the_proposer_only(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab(replace={'name = "tpe"': 'name = "random"'})
    await lock(folder)
    first = await run(folder, 3)
    second = await run(folder, 3, fresh=True)
    assert [record.number for record in second] == [4, 5, 6]
    assert second[0].campaign == first[0].campaign + 1


async def test_an_idea_in_flight_is_taken_up_again(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        number = campaign.next_number()
        assert number is not None
        idea = await campaign.propose(number)
        step = asyncio.ensure_future(campaign.execute(idea))
        await asyncio.sleep(0)
        campaign.stop("asked")
        with pytest.raises(Interrupted):
            await step
    async with open_campaign(Lab.open(folder), Plan()) as campaign:
        assert campaign.next_number() == number
        again = await campaign.propose(number)
        assert again.commit == idea.commit
        assert again.points == idea.points
        campaign.stop("enough")


async def test_a_second_campaign_is_told_who_holds_the_lab(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        with pytest.raises(LeaseHeld, match="lab run"):
            async with open_campaign(Lab.open(folder), Plan()):
                pass
        campaign.stop("enough")


async def test_a_changed_scorer_stops_the_campaign(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    with pytest.raises(LockError, match=r"scorer file changed: scorer/score\.py"):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 3})) as campaign:
            async for _ in iterate(campaign):
                with (folder / "scorer" / "score.py").open("a") as stream:
                    stream.write("# easier\n")
    lab = Lab.open(folder)
    assert len(lab.ledger.state().ideas) == 1
    assert len(lab.repository.refs(lab.open_prefix)) == 1
    with pytest.raises(LockError, match="changed"):
        require_lock(lab)
    lab.close()


async def test_a_new_epoch_scores_the_champion_again(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    first = await run(folder, 12)
    scored = [record for record in first if record.value is not None]
    best = min(scored, key=lambda record: record.value or 0)
    scorer = folder / "scorer" / "score.py"
    scorer.write_text(scorer.read_text().replace("100 *", "50 *"))
    with pytest.raises(LockError, match="reason"):
        await lock(folder)
    await lock(folder, reason="a gentler valley")
    lab = Lab.open(folder)
    state = lab.ledger.state()
    assert state.lock is not None and state.champion is not None
    assert state.lock.epoch == 2
    assert state.champion.commit == best.commit
    assert state.champion.value != best.value
    # An idea of the first epoch is verified with the first epoch's scorer.
    rerun = await verify_idea(lab, str(best.number))
    assert rerun.equal, rerun.explanation
    lab.close()


async def test_a_batch_keeps_its_best_point(make_lab: Callable[..., Path], run: Runner, home: Path) -> None:
    folder = make_lab(replace={'name = "tpe"': 'name = "tpe"\nbatch = 5'})
    await lock(folder)
    records = await run(folder, 3)
    for record in records:
        assert len(record.points) == 5
        values = [point.value for point in record.points if point.value is not None]
        assert record.value == min(values)
        assert next(p.params for p in record.points if p.value == record.value) == record.params
        assert git(folder, "rev-parse", f"{record.branch}^{{tree}}") == record.tree
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    lab.close()


async def test_a_finite_space_ends_the_campaign(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    space = {
        '{ type = "float", low = -2.0, high = 2.0 }': '{ type = "categorical", choices = [0.5, 1.0] }',
        '{ type = "float", low = -1.0, high = 3.0 }': '{ type = "int", low = 1, high = 1 }',
    }
    folder = make_lab(replace=space)
    await lock(folder)
    assert len(await run(folder, 50)) == 2
    lab = Lab.open(folder)
    assert lab.ledger.state().campaign is None
    lab.close()


@pytest.mark.parametrize(("bound", "value", "count"), [("target", 1e9, 0), ("plateau", 2, None)])
async def test_other_bounds_end_it(
    bound: str, value: float, count: int | None, make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    records = await run(folder, 30, **{bound: value})
    assert len(records) < 30
    if count is not None:
        assert len(records) == count


async def test_a_baseline_that_does_not_score_is_not_locked(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab(replace={'metric  = "value"': 'metric  = "valu"'})
    with pytest.raises(LockError, match="'valu' is missing"):
        await lock(folder)
    assert not (folder / "lab.lock").exists()
    lab = Lab.open(folder)
    assert lab.ledger.head() is None
    lab.close()


async def test_a_lab_in_a_folder_of_the_repository(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    inner = folder / "research" / "valley"
    inner.mkdir(parents=True)
    for name in ("lab.toml", "point.json", "candidate.py", "scorer"):
        git(folder, "mv", name, f"research/valley/{name}")
    git(folder, "commit", "-qm", "Move the lab")
    await lock(inner)
    records = await run(inner, 3)
    assert all(record.value is not None for record in records)
    changed = git(folder, "diff", "--name-only", records[0].parents[0], records[0].commit)
    assert changed == "research/valley/point.json"


async def test_two_folders_do_not_share_one_lab(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    records = await run(folder, 2)
    inner = folder / "copy"
    inner.mkdir()
    for name in ("lab.toml", "point.json", "candidate.py", "scorer"):
        git(folder, "mv", name, f"copy/{name}")
    git(folder, "commit", "-qm", "Move the lab")
    for reason in ("", "another one"):
        with pytest.raises(LockError, match=r"lies in the folder"):
            await lock(inner, reason)
    await lock(inner, "moved", baseline="HEAD")
    assert [record.number for record in await run(inner, 2)] == [
        records[-1].number + 1,
        records[-1].number + 2,
    ]


async def test_ideas_left_open_are_taken_up_once_each(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 5})) as campaign:
        numbers = [campaign.next_number() for _ in range(3)]
        for number in numbers:
            assert number is not None
            await campaign.propose(number)
        campaign.stop("asked")
    async with open_campaign(Lab.open(folder), Plan()) as campaign:
        assert [campaign.next_number() for _ in range(6)] == [1, 2, 3, 4, 5, None]
        campaign.stop("enough")


async def test_an_idea_counts_once_between_its_verdict_and_the_end_of_its_iteration(
    make_lab: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        asked: list[int | None] = []
        honest = campaign._verdicts.decide

        async def decide(*arguments: Any) -> Any:
            decided = await honest(*arguments)
            if not asked:
                asked.append(campaign.next_number())
            return decided

        monkeypatch.setattr(campaign._verdicts, "decide", decide)
        async for _ in iterate(campaign):
            # The second idea has no iteration here, and never ends.
            break
        assert asked == [2]
        campaign.stop("asked")
