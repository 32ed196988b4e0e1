"""A campaign's server begins to serve deployments when somebody wants that."""

from __future__ import annotations

import json
import time
from pathlib import Path

from lab_plugin.local_api import LocalApi
from lab_plugin.local_api._locks import DEPLOYMENTS, held
from tests.local_api.test_served import ask


def test_schedules_begin_while_the_server_runs(home: Path, port: int) -> None:
    with LocalApi(home, port=port) as api:
        api.start()
        api.wait()
        status, answer = ask(api, "POST", "/api/flows/", {"name": "nightly"})
        assert status in (200, 201), answer
        deployment = {
            "name": "nightly",
            "flow_id": json.loads(answer)["id"],
            "schedules": [{"schedule": {"interval": 3600}, "active": True}],
        }
        status, answer = ask(api, "POST", "/api/deployments/", deployment)
        assert status in (200, 201), answer

        def scheduled() -> int:
            return int(ask(api, "POST", "/api/flow_runs/count", {})[1])

        assert scheduled() == 0
        with held(home / DEPLOYMENTS, shared=True):
            deadline = time.monotonic() + 200
            while not scheduled():
                assert time.monotonic() < deadline, "the scheduler was not switched on"
                time.sleep(0.2)
