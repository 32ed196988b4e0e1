"""Ideas of the owner's own: what is taken in, what is refused, and what number they get."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.queue import Addition, Numbers, WishStore, add_idea, find_waiting, open_ideas, overview
from lab_plugin.repository import Lease
from tests.campaign.conftest import lock
from tests.conftest import git


def commit(folder: Path, files: dict[str, str], branch: str = "mine") -> str:
    git(folder, "switch", "-q", "-C", branch, "main")
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Try the corner\n\nIt is near the optimum.")
    return git(folder, "rev-parse", "HEAD")


def test_a_branch_and_parameters_become_ideas(folder: Path, lab: Lab) -> None:
    commit(folder, {"point.json": '{"x": 1.5, "y": 1.5}\n'})
    status = git(folder, "status", "--porcelain")
    first = add_idea(lab, Addition(revision="mine", priority=3))
    second = add_idea(
        lab, Addition(params={"x": "0.25"}, only_if_kept=(first.number,), after=(first.number,))
    )
    assert (first.number, second.number) == (1, 2)
    assert (first.title, first.hypothesis, first.strategy) == (
        "Try the corner",
        "It is near the optimum.",
        "owner",
    )
    assert lab.repository.read_file(first.points[0].tree, "point.json") == b'{"x": 1.5, "y": 1.5}\n'
    champion = json.loads(lab.repository.read_file(lab.repository.tree_of(first.parent), "point.json"))
    assert second.points[0].params == {"x": 0.25, "y": champion["y"]}
    assert json.loads(lab.repository.read_file(second.points[0].tree, "point.json"))["x"] == 0.25
    ideas, unread = open_ideas(lab)
    assert ideas == {1: first, 2: second} and not unread
    assert [(row.number, row.state, row.priority) for row in overview(lab)] == [
        (1, "queued", 3),
        (2, "waits for idea 1", 0),
    ]
    assert (second.after, second.only_if_kept) == ((), (1,))
    assert WishStore(lab.repository, lab.queue_ref).read().added == {1, 2}
    assert (
        git(folder, "status", "--porcelain") == status and git(folder, "branch", "--show-current") == "mine"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"candidate.py": "print()\n"}, "candidate.py, which is not in candidate.paths"),
        ({"scorer/score.py": "print()\n", "point.json": "{}"}, "scorer/score.py, which is not in"),
        ({}, "changes nothing"),
    ],
)
def test_commits_that_are_no_ideas(folder: Path, lab: Lab, files: dict[str, str], message: str) -> None:
    git(folder, "switch", "-q", "-C", "mine", "main")
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Mine", "--allow-empty")
    refs = git(folder, "for-each-ref")
    with pytest.raises(LabError, match=message):
        add_idea(lab, Addition(revision="mine"))
    assert git(folder, "for-each-ref") == refs


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        (Addition(revision="nowhere"), "names no commit"),
        (Addition(params={"z": "1"}), "no parameter 'z'"),
        (Addition(params={"x": "one"}), "x is a number, not 'one'"),
        (Addition(params={"x": "nan"}), "x is from -2.0 to 2.0, not nan"),
        (Addition(params={"x": "2.5"}), "x is from -2.0 to 2.0, not 2.5"),
        (Addition(params={"x": "1"}, after=(9,)), "no idea 9 to run after"),
        (Addition(params={"x": "1"}, only_if_kept=(1,)), "no idea 1 to run after"),
        (Addition(params={"x": "1"}, priority=1001), "A priority is from -1000 to 1000"),
    ],
)
def test_what_is_refused_leaves_nothing(folder: Path, lab: Lab, addition: Addition, message: str) -> None:
    refs = git(folder, "for-each-ref")
    with pytest.raises(LabError, match=message):
        add_idea(lab, addition)
    assert git(folder, "for-each-ref") == refs


def test_a_circle_made_by_hand_is_told(folder: Path, lab: Lab) -> None:
    first = add_idea(lab, Addition(params={"x": "1"}))
    second = add_idea(lab, Addition(params={"x": "1.5"}, after=(first.number,)))
    twisted = first.model_copy(update={"after": (second.number,)})
    made = lab.repository.commit(first.points[0].tree, [first.parent], twisted.message(lab.name))
    git(folder, "update-ref", lab.open_prefix + first.name, made)
    with pytest.raises(LabError, match="waits in a circle: 2 -> 1 -> 2"):
        add_idea(lab, Addition(params={"x": "0.5"}, after=(second.number,)))
    # Others are not concerned.
    assert add_idea(lab, Addition(params={"x": "0.5"})).number == 3


def test_numbers_are_given_out_once(folder: Path, lab: Lab) -> None:
    def add(first: int) -> list[int]:
        own = Lab.open(folder)
        try:
            return [add_idea(own, Addition(params={"x": str((first + n) / 100)})).number for n in range(3)]
        finally:
            own.close()

    with Lease.acquire(lab.repository, lab.lease_ref, "test"), ThreadPoolExecutor(3) as pool:
        added = [pool.submit(add, first) for first in (10, 20, 30)]
        campaign = Numbers(lab)
        taken = [campaign.take() for _ in range(12)]
        given = [number for result in added for number in result.result()]
    assert len({*taken, *given}) == 12 + 9 and taken == sorted(taken)


def test_numbers_of_a_dead_campaign_are_given_out_again(folder: Path, lab: Lab) -> None:
    with Lease.acquire(lab.repository, lab.lease_ref, "test"):
        assert [Numbers(lab).take() for _ in range(1)] == [1]
        # While it lives, all that it took is its own.
        assert add_idea(lab, Addition(params={"x": "1"})).number == 9
    with Lease.acquire(lab.repository, lab.lease_ref, "test"):
        assert Numbers(lab).take() == 10
    assert add_idea(lab, Addition(params={"x": "0.5"})).number == 10
    git(folder, "update-ref", lab.numbers_ref, lab.repository.write_blob(b"nonsense"))
    assert add_idea(lab, Addition(params={"x": "0.75"})).number == 11


def test_an_idea_is_found_by_what_a_person_types(
    folder: Path, lab: Lab, make_lab: Callable[..., Path]
) -> None:
    idea = add_idea(lab, Addition(params={"x": "1"}, title="One wide step"))
    for text in ("1", "0001", "0001-one-wide-step", lab.branch(idea.name), "one-wide-step"):
        assert find_waiting(lab, text).number == 1
    with pytest.raises(LabError, match="No open idea of the lab rosenbrock fits 'two'"):
        find_waiting(lab, "two")


async def test_another_seed_is_no_idea(home: Path, make_lab: Callable[..., Path]) -> None:
    folder = make_lab(replace={'paths   = ["point.json"]': 'paths   = ["point.json", "notes.py"]'})
    (folder / "notes.py").write_text("seed = 1\nwidth = 2\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Notes")
    await lock(folder)
    opened = Lab.open(folder)
    try:
        commit(folder, {"notes.py": "seed = 2\nwidth = 2\n"})
        with pytest.raises(LabError, match="changes nothing but a seed"):
            add_idea(opened, Addition(revision="mine"))
        commit(folder, {"notes.py": "seed = 2\nwidth = 3\n"})
        assert add_idea(opened, Addition(revision="mine")).number == 1
    finally:
        opened.close()
