"""`lab check` of a lab whose tier has a pool."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.blocks.conftest import api, at
from tests.conftest import git
from tests.program import Cli, document
from tests.remote.conftest import lay_out

__all__ = ["api", "at"]


def test_what_takes_no_trials_is_named_with_the_command_that_mends_it(
    cli: Cli,
    api: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    folder = tmp_path / "repo"
    lay_out(folder, pool=True)
    settings = folder / "lab.toml"
    settings.write_text(settings.read_text().replace('pool = "box"', 'pool = "checked"\nqueue = "urgent"'))
    git(folder, "commit", "-qam", "Wait in a queue")

    def tell(method: str, path: str, **body: object) -> None:
        httpx.request(method, f"{api}/{path}", json=body, trust_env=False).raise_for_status()

    def found(code: int) -> dict[str, str]:
        checks = document(cli("check", "--json", cwd=folder, code=code))["checks"]
        return {each["what"]: f"{each['ok']}: {each['detail']} {each['remedy']}" for each in checks}

    # `lab deploy` makes pools, and wants a lock first.
    assert not [what for what in found(0) if what.startswith("pool")]
    cli("lock", cwd=folder)
    assert found(1)["pool checked"].startswith('False: There is no work pool "checked"')
    tell("POST", "work_pools/", name="checked", type="process")
    ready = found(0)["pool checked"]
    assert "True: takes runs; workers online: 0" in ready and "prefect worker start --pool checked" in ready
    tell("POST", "work_pools/checked/queues", name="urgent", is_paused=True)
    paused = found(1)["pool checked"]
    assert 'False: The work queue "urgent" of the pool "checked" is paused' in paused
    assert "`prefect work-queue resume urgent --pool checked`" in paused
