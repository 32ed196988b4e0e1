"""`lab run --guided` from a terminal, and by the form in the Prefect API; killed while it waits."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from lab_plugin.local_api import LocalApi
from tests.program import LAB, Cli, document

_EDITOR = """
import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
file.write_text(json.dumps({**json.loads(file.read_text()), "x": 1.0, "y": 1.0}))
"""


def converse(folder: Path, environment: dict[str, str], *answers: tuple[str, str]) -> tuple[str, int]:
    """Run a guided campaign on a terminal of its own; each answer is given to the question before it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(LAB, [LAB, "run", "-n", "3", "--guided"], environment)
    said, read, waiting = "", 0, list(answers)
    while True:
        ready, _, _ = select.select([terminal], [], [], 180)
        assert ready, said
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        said += data.decode("utf-8", "replace")
        if waiting and waiting[0][0] in said[read:]:
            read = len(said)
            os.write(terminal, f"{waiting.pop(0)[1]}".encode())
    assert not waiting, said
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_terminal_shows_the_change_and_takes_an_answer(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = make_lab()
    cli("lock", cwd=folder)
    editor = tmp_path / "editor.py"
    editor.write_text(_EDITOR)
    environment |= {"EDITOR": f"{sys.executable} {editor}", "TERM": "dumb", "USER": "ada", "LOGNAME": "ada"}
    said, status = converse(folder, environment, ("uit? ", "what\n"), ("uit? ", "e\n"), ("uit? ", "\x03"))
    assert "diff --git a/point.json b/point.json" in said
    assert status == 130
    # The second idea was asked about when Ctrl-C came: it is asked about again, and the first is decided.
    said, status = converse(
        folder, environment, ("uit? ", "s\n"), ("nothing)? ", "too wild\n"), ("uit? ", "q\n")
    )
    assert status == 1 and "the owner quit" in said
    ideas = document(cli("results", "--json", cwd=folder))["ideas"]
    assert [(idea["number"], idea["verdict"]) for idea in ideas] == [(1, "kept"), (2, "rejected")]
    assert ideas[0]["params"] == {"x": 1.0, "y": 1.0}
    assert ideas[1]["reason"] == "skipped by ada: too wild"
    (waiting,) = document(cli("queue", "--json", cwd=folder))["ideas"]
    assert waiting["number"] == 3


class Form:
    """The runs that wait, over the API's own HTTP interface."""

    def __init__(self, home: Path) -> None:
        with LocalApi(home / "prefect") as api:
            api.start()
            self._url = api.wait()

    def waiting(self, name: str) -> str:
        for _ in range(240):
            wanted = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}, "name": {"like_": name}}}
            answer = httpx.post(
                f"{self._url}/flow_runs/filter", json=wanted, timeout=60, trust_env=False
            ).json()
            if answer:
                keys = answer[0]["state"]["state_details"]["run_input_keyset"]
                shown = httpx.get(
                    f"{self._url}/flow_runs/{answer[0]['id']}/input/{keys['description']}",
                    timeout=60,
                    trust_env=False,
                )
                if shown.status_code == 200:
                    self.description = json.loads(shown.text)
                    return str(answer[0]["id"])
            time.sleep(0.5)
        raise AssertionError(f"no run {name} waits")

    def answer(self, run: str, **given: Any) -> Any:
        done = httpx.post(
            f"{self._url}/flow_runs/{run}/resume", json={"run_input": given}, timeout=60, trust_env=False
        )
        return done.json()


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LAB, "run", "-n", "3", "-j", "2", "--guided"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_without_a_terminal_a_form_waits_on_the_iterations_run(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], shared_home: Path
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "by-form"'})
    cli("lock", cwd=folder)
    form = Form(shared_home)
    process = start(folder, environment)
    first, _ = form.waiting("0001"), form.waiting("0002")
    process.kill()
    process.communicate()
    seen = document(cli("watchdog", "--json", cwd=folder))
    assert seen["outcome"] == "Mended"
    kinds = [finding["kind"] for finding in seen["findings"]]
    # The campaign and its two iterations.
    assert (kinds.count("lease"), kinds.count("run")) == (1, 3)

    process = start(folder, environment)
    again = form.waiting("0001")
    assert again != first
    assert "```diff" in form.description and "The champion has value 12.5" in form.description
    assert form.answer(again, choice="approve", x=1.0, y=5.0)["status"] == "REJECT"
    # The other one waits, and does not hold up this one.
    assert form.answer(again, choice="approve", x=1.0, y=1.0)["status"] == "ACCEPT"
    third = form.waiting("0003")
    assert form.answer(third, choice="edit", revision="no-such-branch")["status"] == "ACCEPT"
    second = form.waiting("0002")
    cli("cancel", "2", cwd=folder)
    for _ in range(240):
        again = form.waiting("0003")
        if "could not be used" in form.description:
            break
        time.sleep(0.5)
    assert "no-such-branch" in form.description
    assert form.answer(again, choice="skip", comment="not now")["status"] == "ACCEPT"
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    ideas = {idea["number"]: idea for idea in document(cli("results", "--json", cwd=folder))["ideas"]}
    assert (ideas[1]["verdict"], ideas[1]["params"]) == ("kept", {"x": 1.0, "y": 1.0})
    assert ideas[2]["reason"] == "cancelled by the owner while waiting for its owner"
    assert ideas[3]["reason"] == "skipped by the owner in the Prefect UI: not now"
    assert second != third
    assert document(cli("queue", "--json", cwd=folder))["ideas"] == []
    cli("verify", cwd=folder)
