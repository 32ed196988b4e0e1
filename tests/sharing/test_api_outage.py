"""A user's own Prefect API that is down for a while under a campaign."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab_plugin.local_api import LocalApi
from tests.cli.test_crashes import wait_for_ideas
from tests.conftest import git
from tests.ports import free_port
from tests.program import LAB

_DOWN_SECONDS = 15


class OwnApi:
    """An API that is the user's: no campaign starts it again.

    Args:
        home: Its folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        # Nobody else gets it while the API is down.
        self.port = free_port()

    def start(self) -> str:
        command = [sys.executable, "-m", "lab_plugin.local_api", "--home", str(self.home)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not (url := LocalApi(self.home).running()):
            assert self.process.poll() is None
            time.sleep(0.2)
        self.port = urlsplit(url).port or 0
        return url

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[OwnApi]:
    api = OwnApi(tmp_path / "api")
    yield api
    api.kill()


def test_a_campaign_outlasts_it(api: OwnApi, make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    program = folder / "candidate.py"
    program.write_text("import time\ntime.sleep(0.3)\n" + program.read_text())
    git(folder, "commit", "-qam", "Take a moment")
    url = api.start()
    own = {**os.environ, "PREFECT_LAB_HOME": str(home), "PREFECT_API_URL": url, "PREFECT_HOME": str(api.home)}
    subprocess.run([LAB, "lock"], cwd=folder, env=own, check=True, capture_output=True)
    process = subprocess.Popen(
        [LAB, "run", "-n", "8"],
        cwd=folder,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_ideas(folder, 2, process)
        api.kill()
        time.sleep(_DOWN_SECONDS)
        assert process.poll() is None
        assert api.start() == url
        output, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Ideas      8" in output
