"""What an owner's answers make of proposals, on real repositories and in real sandboxes."""

import json
from pathlib import Path

import pytest

from lab_plugin.errors import IntakeError
from lab_plugin.guidance import Answer, GuideDesk, Proposal, proposal_text
from lab_plugin.lab import Lab
from lab_plugin.queue import open_ideas
from lab_plugin.verification import verify_ledger
from tests.conftest import git
from tests.guidance.conftest import Owner, guided


def opened(folder: Path) -> dict[str, str]:
    lab = Lab.open(folder)
    try:
        return dict(lab.repository.refs(lab.open_prefix))
    finally:
        lab.close()


def edit_file(proposal: Proposal) -> Answer:
    with proposal.copy() as copy:
        (copy / "candidate.py").write_text("raise SystemExit")
        with pytest.raises(IntakeError, match="outside of what an idea may change"):
            proposal.take(copy)
    with proposal.copy() as copy:
        assert not (copy / "scorer").exists()
        (copy / "point.json").write_text(json.dumps({"x": 1.5, "y": 1.5}))
        return Answer("edit", "ada", tree=proposal.take(copy))


async def test_each_answer_becomes_what_it_says(locked: Path) -> None:
    owner = Owner(
        Answer("approve", "ada", "looks fine"),
        Answer("edit", "ada", points=({"x": "7.0"},)),
        Answer("edit", "ada"),
        Answer("edit", "ada", "the optimum", points=({"x": "1.0", "y": "1.0"},)),
        Answer("skip", "ada\x1b[31m", "dull"),
        edit_file,
    )
    first, second, third, fourth = await guided(locked, 4, owner)
    assert "Approved by ada: looks fine" in first.hypothesis
    assert first.params == owner.asked[0].idea.points[0].params

    assert second.verdict == "kept"
    assert (second.params, second.value) == ({"x": 1.0, "y": 1.0}, 0.0)
    assert second.title == "x=1, y=1" and second.branch.endswith("0002-x-1-y-1")
    assert "Edited by ada: the optimum" in second.hypothesis
    assert json.loads(git(locked, "show", f"{second.commit}:point.json")) == {"x": 1.0, "y": 1.0}
    problems = [asked.problem for asked in owner.asked if asked.idea.number == 2]
    assert problems[0] == "" and "from -2.0 to 2.0, not 7.0" in problems[1]
    assert "neither values, nor files" in problems[2]

    assert (third.verdict, third.reason) == ("rejected", "skipped by ada: dull")
    assert third.value is None and third.sandbox == ""
    # Proposers that search in parameters are told of those that edited files hold.
    assert fourth.params == {"x": 1.5, "y": 1.5}
    assert opened(locked) == {}
    lab = Lab.open(locked)
    assert verify_ledger(lab) == []
    lab.close()


async def test_an_idea_without_an_answer_is_asked_about_again_and_an_answered_one_is_not(
    locked: Path,
) -> None:
    gone = Owner()
    assert await guided(locked, 2, gone) == []
    (ref,) = opened(locked)
    again = Owner(Answer("edit", points=({"x": "0.5", "y": "0.25"},)))
    # The process dies when the edit is committed, before anything of it runs.
    lab = Lab.open(locked)
    (idea,) = open_ideas(lab)[0].values()
    edited = await GuideDesk(lab, again).settle(idea)
    lab.close()
    assert again.asked[0].idea.name == gone.asked[0].idea.name == ref.rpartition("/")[2]
    assert list(opened(locked).values()) == [edited.commit]

    later = Owner(Answer("approve"))
    first, second = await guided(locked, 2, later)
    assert (first.number, first.params) == (1, {"x": 0.5, "y": 0.25})
    assert [asked.idea.number for asked in later.asked] == [second.number] == [2]


async def test_a_commit_takes_the_place_of_a_proposal(locked: Path) -> None:
    def with_revision(proposal: Proposal) -> Answer:
        git(locked, "branch", "mine", proposal.idea.parent)
        (locked / "point.json").write_text('{"x": 0.0, "y": 0.0}')
        git(locked, "add", "point.json")
        made = git(locked, "commit-tree", git(locked, "write-tree"), "-p", "mine", "-m", "Mine")
        git(locked, "branch", "-f", "mine", made)
        return Answer("edit", revision="mine")

    owner = Owner(Answer("edit", revision="no-such-branch"), with_revision)
    (record,) = await guided(locked, 1, owner)
    assert "no-such-branch" in owner.asked[1].problem
    assert record.params == {"x": 0.0, "y": 0.0}


async def test_a_hostile_proposal_stays_text(locked: Path) -> None:
    owner = Owner()
    await guided(locked, 1, owner)
    proposal = owner.asked[0]
    hostile = proposal.again("<b>\n# no heading")
    shown = proposal_text(
        Proposal(proposal.lab, proposal.idea, "+```\n+# escaped\n", proposal.champion, hostile.problem)
    )
    assert "````diff" in shown and "\n# no heading" not in shown
