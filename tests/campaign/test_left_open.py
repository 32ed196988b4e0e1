"""Ideas that a campaign left open: taken over whatever changed since, and set aside alone where damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin import events
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LedgerError
from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.proposers import Suggestion
from lab_plugin.repository import RefChange
from lab_plugin.verification import verify_idea, verify_ledger
from tests.campaign.conftest import Runner, git, iterate, lock


async def leave_open(folder: Path, count: int) -> list[Idea]:
    async with open_campaign(Lab.open(folder), Plan({"iterations": 9})) as campaign:
        ideas = []
        for _ in range(count):
            number = campaign.next_number()
            assert number is not None
            ideas.append(await campaign.propose(number))
        campaign.stop("asked")
    return ideas


async def test_an_idea_of_an_earlier_epoch_is_scored_under_the_lock_in_force(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    await leave_open(folder, 2)
    scorer = folder / "scorer" / "score.py"
    scorer.write_text(scorer.read_text().replace("100 *", "50 *"))
    await lock(folder, reason="a gentler valley")
    records = await run(folder, 2)
    assert [(record.number, record.epoch) for record in records] == [(1, 2), (2, 2)]
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    rerun = await verify_idea(lab, "1")
    assert rerun.equal, rerun.explanation
    lab.close()


async def test_an_idea_that_changes_what_it_no_longer_may_is_rejected(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab(replace={'paths   = ["point.json"]': 'paths   = ["point.json", "candidate.py"]'})
    # Without a search space, whose file no idea could be kept from.
    text = (folder / "lab.toml").read_text()
    head, _, tail = text.partition('name = "tpe"')
    edits = ["python", "-c", "open('candidate.py', 'a').write('# More.\\n')"]
    text = f'{head}name = "command"\ncommand = {json.dumps(edits)}\n\n[budget]{tail.partition("[budget]")[2]}'
    (folder / "lab.toml").write_text(text)
    git(folder, "commit", "-qam", "Edit")
    await lock(folder)
    await leave_open(folder, 1)
    (folder / "lab.toml").write_text(text.replace('["point.json", "candidate.py"]', '["point.json"]'))
    (record,) = await run(folder, 1)
    assert (record.verdict, record.value) == ("rejected", None)
    assert "candidate.py" in record.reason and "candidate.paths" in record.reason


async def test_equal_points_of_a_batch_share_one_run(
    make_lab: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:

        async def ask(request: object) -> Suggestion:
            points = ({"x": 0.5, "y": 0.5}, {"x": 1.0, "y": 0.5}, {"x": 0.5, "y": 0.5})
            return Suggestion(title="twice", hypothesis="", points=points)

        monkeypatch.setattr(campaign._ideas._proposer, "ask", ask)
        (record,) = [record async for record in iterate(campaign)]
    first, second, third = record.points
    assert first.value == third.value != second.value
    assert first.seconds > third.seconds == 0


async def test_an_idea_of_an_earlier_campaign_counts_in_the_one_that_runs_it(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    await leave_open(folder, 2)
    records = await run(folder, 3, fresh=True)
    assert [(record.number, record.campaign) for record in records] == [(1, 2), (2, 2), (3, 2)]
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    lab.close()


async def test_damaged_ideas_stay_aside_and_the_lab_goes_on(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    first, second, _ = await leave_open(folder, 3)
    lab = Lab.open(folder)
    refs = lab.open_prefix + first.name, lab.open_prefix + second.name
    lab.repository.update_refs([RefChange(refs[0], lab.repository.head(), first.commit)])
    (folder / ".git" / "objects" / second.commit[:2] / second.commit[2:]).unlink()
    told: list[str] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.CampaignOpened):
            told.append(event.warning)

    with events.subscribed(listen):
        records = await run(folder, 2)
    assert [record.number for record in records] == [3, 4]
    assert "0001-" in told[0] and "0002-" in told[0]
    assert set(lab.repository.refs(lab.open_prefix)) == set(refs)
    lab.close()


async def test_an_idea_whose_commit_holds_another_tree_is_not_run(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    (idea,) = await leave_open(folder, 1)
    lab = Lab.open(folder)
    repository = lab.repository
    other = repository.commit(repository.tree_of(idea.parent), [idea.parent], idea.message(lab.name))
    repository.update_refs([RefChange(lab.open_prefix + idea.name, other, idea.commit)])
    (record,) = await run(folder, 1)
    assert record.number == 2
    lab.close()


HOSTILE = 'a\nLab-Data: {"number": 1}\u2028Lab-Data: {}\x00\x1b[31m\ud800\x85'


async def test_hostile_words_are_tamed_and_read_back(
    make_lab: Callable[..., Path], run: Runner, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        honest = campaign._ideas._proposer.ask

        async def ask(request: object) -> Suggestion:
            points = (await honest(request)).points  # type: ignore[arg-type]
            return Suggestion(title=HOSTILE, hypothesis=HOSTILE * 1000, points=points)

        monkeypatch.setattr(campaign._ideas._proposer, "ask", ask)
        number = campaign.next_number()
        assert number is not None
        idea = await campaign.propose(number)
        campaign.stop("asked")
    (record,) = await run(folder, 1)
    assert record.value is not None
    assert record.title == idea.title
    assert record.title.isprintable() and len(record.title) <= 100
    assert all(line.isprintable() for line in record.hypothesis.split("\n"))
    assert git(folder, "log", "-1", "--format=%s", record.branch) == record.title


def test_line_separators_inside_the_proposal_do_not_cut_it() -> None:
    idea = Idea(
        number=7,
        slug="x",
        title="x",
        hypothesis="one\u2028Lab-Data: {}\x85two",
        strategy="s",
        campaign=1,
        epoch=1,
        parent="0" * 40,
        points=(PlannedPoint(tree="1" * 40),),
    )
    assert Idea.from_commit("", idea.message("lab")) == idea


def test_an_idea_without_points_is_none() -> None:
    text = 'x\n\nLab-Data: {"number":1,"slug":"x","title":"x","hypothesis":"","strategy":"s","campaign":1,'
    with pytest.raises(LedgerError, match="points"):
        Idea.from_commit("0" * 40, text + '"epoch":1,"parent":"' + "0" * 40 + '","points":[]}\n')


async def test_a_proposer_that_proposes_nothing_is_rejected(
    make_lab: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lab()
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:

        async def ask(request: object) -> Suggestion:
            return Suggestion(title="nothing", hypothesis="")

        monkeypatch.setattr(campaign._ideas._proposer, "ask", ask)
        (record,) = [record async for record in iterate(campaign)]
    assert (record.verdict, record.value) == ("rejected", None)
