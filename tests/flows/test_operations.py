"""The flows `watchdog` and `digest`, run in a clone with the lab's folder as `.`, as a deployment does."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.conftest import git
from tests.program import Cli

_PROGRAM = """
import asyncio, json, sys
from lab_plugin.home import Home
from lab_plugin.serving import serving
with serving(Home.from_environment()):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from lab_plugin.flows.digest import digest
    from lab_plugin.flows.watchdog import watchdog

    async def main():
        states = [
            await watchdog(lab=".", return_state=True),
            await watchdog(lab=".", least_free_gb=1e9, return_state=True),
            await digest(lab=".", return_state=True),
            await digest(lab=".", period="weekly", return_state=True),
        ]
        async with get_client() as client:
            wanted = ArtifactFilter(key=ArtifactFilterKey(like_=sys.argv[1] + "-%"))
            made = await client.read_artifacts(artifact_filter=wanted)
            # The last of each key; the API gives them in no order.
            found = {one.key: one.data for one in sorted(made, key=lambda one: one.created)}
            runs = [await client.read_flow_run(state.state_details.flow_run_id) for state in states]
        print(json.dumps([[(run.name, run.state.type, run.state.name) for run in runs], found]))

    asyncio.run(main())
"""


def play(
    name: str, folder: Path, environment: dict[str, str]
) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Name, type and state of each run, and the lab's artifacts; folders of other tests are not seen."""
    with tempfile.TemporaryDirectory(prefix="lab-short-") as short:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, name],
            cwd=folder,
            env={**environment, "TMPDIR": short, "DOCKER_HOST": f"unix://{short}/none.sock"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    runs, artifacts = json.loads(done.stdout.splitlines()[-1])
    return [tuple(run) for run in runs], artifacts


def test_both_leave_an_artifact_and_end_in_a_word(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "looked-after"'})
    cli("lock", cwd=folder)
    assert (
        "nothing was tried in the last 24 hours; the champion is still value 12.5"
        in cli("digest", cwd=folder).stdout
    )
    cli("add", "--param", "x=1.0", "--param", "y=1.0", cwd=folder)
    cli("run", "-n", "2", cwd=folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Lock")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    refs = ("refs/lab/looked-after/ledger", "refs/heads/lab/looked-after/*")
    git(tmp_path / "clone", "fetch", "-q", "origin", *(f"{ref}:{ref}" for ref in refs))
    runs, artifacts = play("looked-after", tmp_path / "clone", environment)
    assert runs == [
        ("looked-after watchdog: Healthy", "COMPLETED", "Healthy"),
        ("looked-after watchdog: Needs attention", "FAILED", "Needs attention"),
        ("looked-after daily: 2 ideas, 1 kept", "COMPLETED", "Completed"),
        ("looked-after weekly: 2 ideas, 1 kept", "COMPLETED", "Completed"),
    ]
    daily = artifacts["looked-after-digest-daily"]
    assert "**2 ideas** had their verdict: " in daily and "1 kept" in daily
    assert "value **0** (minimize), idea 1, branch `lab/looked-after/best`" in daily
    assert "-12.5 in this time, -12.5 from the baseline" in daily
    assert "Campaign 1 ended: all 2 iterations are spent." in daily
    assert "looked-after-digest-weekly" in artifacts
    assert "are free" in artifacts["looked-after-watchdog"]


def test_a_worker_s_clone_knows_what_others_decided_and_says_when_it_cannot(
    cli: Cli, make_clone: Callable[[str, int], tuple[Path, Path, Path]], environment: dict[str, str]
) -> None:
    folder, bare, clone = make_clone("shared", 2)
    gone = bare.with_name("gone")
    runs, _ = play("shared", clone, environment)
    assert runs[0] == ("shared watchdog: Healthy", "COMPLETED", "Healthy")
    assert runs[2] == ("shared daily: 2 ideas, 1 kept", "COMPLETED", "Completed")

    cli("run", "-n", "1", cwd=folder)
    bare.rename(gone)
    runs, artifacts = play("shared", clone, environment)
    assert runs[0] == ("shared watchdog: Needs attention", "FAILED", "Needs attention")
    assert str(bare) in artifacts["shared-watchdog"]
    assert runs[2] == ("shared daily: 2 ideas, 1 kept", "COMPLETED", "Completed")
    gone.rename(bare)
    runs, _ = play("shared", clone, environment)
    assert runs[2][0].startswith("shared daily: 3 ideas")
