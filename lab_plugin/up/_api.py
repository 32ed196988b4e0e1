"""The lab's Prefect API, with what deployments need."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from lab_plugin.errors import UpError
from lab_plugin.home import Home
from lab_plugin.local_api import DEFAULT_PORT, LocalApi, start_remedy, ui_url, without_prefect
from lab_plugin.up._ports import choose_port
from lab_plugin.up._program import Launch, Program


class ApiProgram(Program):
    """The user's local API.

    Where a campaign runs one already, this program keeps that from leaving, has it serve deployments, and
    takes its place on the same port when it ends.

    Args:
        home: The user's state folder.
        port: The port that is asked for; None for the usual one.
        say: Told what the user should know.
    """

    name = "prefect"

    def __init__(self, home: Home, port: int | None, say: Callable[[str], None]) -> None:
        self._folder = home.prefect
        self._api = LocalApi(home.prefect)
        self._port = port
        self._say = say
        self._usual = DEFAULT_PORT

    @property
    def url(self) -> str:
        """Where it answers; ends in `/api`."""
        return self._api.expected_url()

    def launch(self) -> Launch:
        """Serve, or stand by; see `Program`."""
        there = self._api.running()
        if there is not None and self._port is not None and there != f"{ui_url(self._port)}/api":
            raise UpError(
                f"The Prefect API of {self._folder} is served already at {there}, and --port {self._port} "
                "asks for another place.",
                "Leave --port out to use it, or end what serves it first.",
            )
        if not self._api.is_served():
            self._usual = choose_port("--port", self._port, self._usual, self._say)
        command = (sys.executable, "-m", "lab_plugin.local_api", "--home", str(self._folder))
        return Launch((*command, "--port", str(self._usual)), without_prefect(os.environ))

    async def is_ready(self) -> bool:
        """Whether the API answers."""
        there = await asyncio.to_thread(self._api.running)
        if there is not None:
            # Whoever serves it after another one does so where clients know it.
            self._usual = urlsplit(there).port or self._usual
        return there is not None

    def where(self) -> str:
        """The UI's address."""
        return f"ready: {self.url.removesuffix('/api')}"

    def remedy(self, log: Path, said: str) -> str:
        """See `Program.remedy`."""
        return start_remedy(self._folder, log, said)
