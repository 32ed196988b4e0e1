import asyncio
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import ProposerError
from lab_plugin.proposers import Outcome, Proposer, open_proposer
from lab_plugin.sandbox import Execution, Job, Sandbox, open_sandbox


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace" / "lab"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("x = 0\n")
    (folder / "data.csv").write_text("1\n")
    return folder.parent


@pytest.fixture
def command(setup: Callable, tmp_path: Path) -> Callable[..., Proposer]:
    """A proposer that runs a piece of Python in `lab/`."""

    def make(source: str, **more: object) -> Proposer:
        argv = [sys.executable, "-S", "-c", source]
        return open_proposer(
            "command",
            setup(
                settings={"command": argv, "timeout": 20, **more},
                space={},
                directory="lab",
                writable=("lab/train.py",),
            ),
        )

    return make


async def test_the_program_edits_and_speaks(command, request_of, workspace) -> None:
    source = """
import json, os
open("train.py", "a").write("x = 1\\n")
with open(os.environ["LAB_PROPOSAL"], "w") as file:
    json.dump({"title": " Raise\\tx\\n", "hypothesis": "Zero is\\ntoo low."}, file)
print("not this line")
"""
    suggestion = await command(source).ask(request_of(7, workspace=workspace))
    assert (suggestion.title, suggestion.hypothesis) == ("Raise x", "Zero is\ntoo low.")
    assert suggestion.points == ()
    assert (workspace / "lab" / "train.py").read_text() == "x = 0\nx = 1\n"


async def test_what_the_program_is_told(command, request_of, workspace, sandbox) -> None:
    source = """
import json, os
told = {name: value for name, value in os.environ.items() if name.startswith("LAB_")}
told["instructions"] = open(told.pop("LAB_INSTRUCTIONS"), encoding="utf-8").read()
told["history"] = [json.loads(line) for line in open(told.pop("LAB_HISTORY"))]
del told["LAB_PROPOSAL"]
print(json.dumps(told))
"""
    proposer = command(source)
    for number in range(1, 251):
        proposer.tell(
            Outcome(
                number=number,
                params={"lr": number / 10},
                value=None,
                verdict="crashed",
                title="ü\n",
                reason="r",
            )
        )
    proposer.tell(Outcome(number=251, params={"bad": float("nan")}, value=float("inf"), verdict="kept"))
    request = request_of(252, workspace=workspace, instructions="Größer!", goal="minimize")
    await proposer.ask(request)
    told = json.loads((request.destination / "stdout.log").read_text())
    history = told.pop("history")
    assert told == {
        "instructions": "Größer!",
        "LAB_LAB": "digits",
        "LAB_IDEA": "252",
        "LAB_PARENT": "a" * 40,
        "LAB_METRIC": "accuracy",
        "LAB_GOAL": "minimize",
        "LAB_TIME_LIMIT": "20",
    }
    assert [line["number"] for line in history] == list(range(52, 252))
    assert history[0] == {
        "number": 52,
        "title": "ü\n",
        "verdict": "crashed",
        "value": None,
        "reason": "r",
        "params": {"lr": 5.2},
        "feedback": "",
        "stderr": "",
        "pruned": False,
        "curve": [],
        "samples": [],
    }
    assert history[-1]["params"] == {"bad": None}
    assert history[-1]["value"] is None
    [job] = sandbox.jobs
    assert (job.role, job.directory, job.writable) == ("proposer", "lab", ("lab/train.py",))
    assert job.outputs == ("proposal.json",)
    assert not [path for path in request.destination.parent.iterdir() if path != request.destination]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (
            "print('first'); print('Try \\x1b[31mred\\x1b[0m\\x07 things\\u202e'); print('  ')",
            "Try red things",
        ),
        ("", "edit"),
        ("print(' \\n\\t')", "edit"),
        ("print('x' * 500)", "x" * 79 + "…"),
        ("import sys; sys.stdout.buffer.write(b'ok \\xff\\xfe')", "ok \ufffd\ufffd"),
        ("print('y' * (1 << 20)); print('last')", "edit"),
    ],
)
async def test_the_title_without_a_proposal(source, title, command, request_of, workspace) -> None:
    suggestion = await command(source).ask(request_of(1, workspace=workspace))
    assert suggestion.title == title
    assert suggestion.hypothesis == f"An edit made by {sys.executable}."


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "no strict JSON|not strict JSON"),
        (b'{"title": "a", "title": "b"}', "it has a duplicate key"),
        (b'{"title": NaN}', "it holds NaN, which is no finite number"),
        (b'["title"]', "no JSON object"),
        (b'{"title": 3}', "title is no string"),
        (b'{"titel": "a"}', "unknown key 'titel'"),
        (b"\xff\xfe", "not strict JSON"),
        (b"[" * 60_000, "not strict JSON"),
        (b'{"title": "' + b"x" * 70_000 + b'"}', "larger than 64 KiB"),
    ],
)
async def test_an_unfit_proposal_costs_only_its_words(content, why, command, request_of, workspace) -> None:
    source = f"import os; open(os.environ['LAB_PROPOSAL'], 'wb').write({content!r}); print('from stdout')"
    if len(content) > 1000:
        source = source.replace(repr(content), f"{content[:12]!r} + {content[12:13]!r} * {len(content) - 12}")
    suggestion = await command(source).ask(request_of(1, workspace=workspace))
    assert suggestion.title == "from stdout"
    assert re.search(why, suggestion.hypothesis)


async def test_a_linked_proposal_is_not_followed(command, request_of, workspace, tmp_path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"title": "secret"}')
    source = f"import os; os.symlink({str(secret)!r}, os.environ['LAB_PROPOSAL'])"
    suggestion = await command(source).ask(request_of(1, workspace=workspace))
    assert suggestion.title == "edit"
    assert "symbolic link" in suggestion.hypothesis


class CannedSandbox(Sandbox):
    """Runs nothing: every job ends well with these bytes."""

    kind = "canned"
    guarantees = frozenset()

    def __init__(self, proposal: bytes, stdout: bytes) -> None:
        self._proposal, self._stdout = proposal, stdout

    async def probe(self) -> None:
        pass

    async def run(self, job: Job) -> Execution:
        proposal, stdout = job.destination / "proposal.json", job.destination / "stdout.log"
        proposal.write_bytes(self._proposal)
        stdout.write_bytes(self._stdout)
        return Execution(
            status="ok",
            reason="",
            exit_code=0,
            signal=None,
            wall_seconds=0.1,
            cpu_seconds=None,
            peak_bytes=None,
            stdout=stdout,
            stderr=job.destination / "stderr.log",
            outputs={"proposal.json": proposal},
            refused={},
            sandbox=self.kind,
            guarantees=(),
        )

    async def close(self) -> None:
        pass


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    proposal=st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["title", "hypothesis", "x"]), st.one_of(st.text(), st.integers(), st.none())
        ).map(lambda data: json.dumps(data).encode()),
    ),
    stdout=st.binary(max_size=200),
)
def test_words_are_always_fit_to_print(proposal, stdout, setup, request_of, workspace) -> None:
    given_setup = setup(
        settings={"command": ["agent"]},
        space={},
        sandbox=CannedSandbox(proposal, stdout),
        writable=("lab/train.py",),
    )
    ask = open_proposer("command", given_setup).ask(request_of(1, workspace=workspace))
    suggestion = asyncio.run(ask)
    assert 1 <= len(suggestion.title) <= 80
    assert suggestion.title.strip() == suggestion.title
    assert 1 <= len(suggestion.hypothesis) <= 2000
    for text in (suggestion.title, suggestion.hypothesis.replace("\n", "")):
        assert not any(unicodedata.category(character).startswith("C") for character in text)
        text.encode("utf-8")


async def test_a_failing_program_says_why(command, request_of, workspace) -> None:
    complain = "import sys; print('\\x1b[1mno credit\\x00', file=sys.stderr)"
    request = request_of(1, workspace=workspace)
    with pytest.raises(ProposerError, match="exit status 3") as caught:
        await command(f"{complain}; sys.exit(3)").ask(request)
    assert caught.value.message.endswith("exit status 3\n    no credit")
    assert str(request.destination) in caught.value.remedy
    with pytest.raises(ProposerError, match="zzz") as caught:
        await command(f"{complain}; print('z' * 9000, file=sys.stderr); sys.exit(3)").ask(
            request_of(2, workspace=workspace)
        )
    assert len(caught.value.message) < 2000


async def test_a_program_that_runs_too_long(command, request_of, workspace) -> None:
    with pytest.raises(ProposerError, match=r"longer than 0\.3 s"):
        await command("import time; time.sleep(60)", timeout="300ms").ask(request_of(1, workspace=workspace))


async def test_paths_that_do_not_exist_are_left_out(setup, request_of, workspace, sandbox) -> None:
    given = {"settings": {"command": ["true"]}, "space": {}, "directory": "lab"}
    proposer = open_proposer("command", setup(writable=("lab/new.py", "lab/train.py"), **given))
    await proposer.ask(request_of(1, workspace=workspace))
    assert sandbox.jobs[0].writable == ("lab/train.py",)
    proposer = open_proposer("command", setup(writable=("lab/new.py",), **given))
    with pytest.raises(ProposerError, match=r"lab/new\.py"):
        await proposer.ask(request_of(2, workspace=workspace))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "command: is missing"),
        ({"command": "train"}, "list of one or more strings"),
        ({"command": []}, "list of one or more strings"),
        ({"command": ["a", 1]}, "list of one or more strings"),
        ({"command": [""]}, "must name a program"),
        ({"command": ["a\0b"]}, "NUL"),
        ({"command": ["a"], "timeout": "soon"}, "timeout"),
        ({"command": ["a"], "timeout": 0}, "timeout: must be above 0"),
        ({"command": ["a"], "timeout": True}, "timeout"),
        ({"command": ["a"], "memory": "2 G"}, "memory"),
        ({"command": ["a"], "memory": 0}, "memory: must be above 0"),
        ({"command": ["a"], "cpus": 0}, "cpus"),
        ({"command": ["a"], "cpus": float("nan")}, "cpus"),
        ({"command": ["a"], "cpus": True}, "cpus"),
        ({"command": ["a"], "timout": "1m"}, "timout"),
    ],
)
def test_wrong_settings_are_named(given, said, setup) -> None:
    with pytest.raises(ProposerError, match=said):
        open_proposer("command", setup(settings=given, space={}))


async def test_settings_become_limits(setup, request_of, workspace, sandbox) -> None:
    table = {"command": ["true"], "timeout": "1m30s", "memory": "1GiB", "cpus": 2}
    proposer = open_proposer("command", setup(settings=table, space={}, writable=("lab/train.py",)))
    await proposer.ask(request_of(1, workspace=workspace))
    limits = sandbox.jobs[0].limits
    assert (limits.wall_seconds, limits.memory_bytes, limits.cpus) == (90.0, 1 << 30, 2.0)


async def test_in_the_real_sandbox_only_the_candidate_can_be_changed(
    setup, request_of, workspace, tmp_path
) -> None:
    source = """
import json, os
failed = []
shown = [os.environ["LAB_HISTORY"], os.environ["LAB_INSTRUCTIONS"]]
for path in ("data.csv", "../new.py", "../other.py", *shown):
    try:
        open(path, "a").write("evil")
    except OSError:
        failed.append(path)
open("train.py", "w").write(open(os.environ["LAB_INSTRUCTIONS"]).read())
open(os.environ["LAB_PROPOSAL"], "w").write(json.dumps({"title": f"{len(failed)} refused"}))
"""
    sandbox = open_sandbox("bubblewrap")
    await sandbox.probe()
    try:
        proposer = open_proposer(
            "command",
            setup(
                settings={"command": ["python", "-c", source], "timeout": 30},
                space={},
                sandbox=sandbox,
                directory="lab",
                writable=("lab/train.py",),
            ),
        )
        suggestion = await proposer.ask(request_of(1, workspace=workspace, instructions="x = 42\n"))
        assert suggestion.title == "5 refused"
        with pytest.raises(ProposerError, match="exit status 4"):
            failing = setup(
                settings={"command": ["python", "-c", "raise SystemExit(4)"]},
                sandbox=sandbox,
                writable=("lab/train.py",),
            )
            await open_proposer("command", failing).ask(request_of(2, workspace=workspace))
    finally:
        await sandbox.close()
    assert (workspace / "lab" / "train.py").read_text() == "x = 42\n"
    assert (workspace / "lab" / "data.csv").read_text() == "1\n"
    assert sorted(os.listdir(workspace / "lab")) == ["data.csv", "train.py"]
