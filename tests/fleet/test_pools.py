from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lab_plugin.config import Pool
from lab_plugin.errors import PoolError
from lab_plugin.fleet import ensure_pool, gpu_limit, require_pool, workers_of

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


async def test_a_pool_is_made_once_by_any_number_of_campaigns(client: PrefectClient) -> None:
    settings = Pool(kind="docker", image="lab-worker:1.4", concurrency=3)
    made = await asyncio.gather(*(ensure_pool(client, "many", settings) for _ in range(4)))
    assert len({pool.id for pool in made}) == 1
    pool = made[0]
    assert (pool.type, pool.concurrency_limit, pool.is_paused) == ("docker", 3, False)
    assert pool.base_job_template["variables"]["properties"]["image"]["default"] == "lab-worker:1.4"


async def test_a_pool_that_exists_keeps_what_its_owner_made_of_it(client: PrefectClient) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    own = {"job_configuration": {"command": "{{ command }}"}, "variables": {"properties": {"command": {}}}}
    await client.create_work_pool(
        WorkPoolCreate(name="owned", type="process", base_job_template=own, concurrency_limit=7)
    )
    assert (await ensure_pool(client, "owned")).base_job_template == own
    assert (await ensure_pool(client, "owned", Pool())).concurrency_limit == 7
    pool = await ensure_pool(client, "owned", Pool(concurrency=2))
    assert (pool.base_job_template, pool.concurrency_limit) == (own, 2)


async def test_a_pool_of_another_type_is_refused(client: PrefectClient) -> None:
    await ensure_pool(client, "plain")
    with pytest.raises(PoolError, match=r"type process, and \[pools.plain\] in lab.toml says docker-gpu"):
        await ensure_pool(client, "plain", Pool(kind="docker-gpu", image="lab-worker:1"))


async def test_cards_are_counted_by_a_global_limit(client: PrefectClient) -> None:
    for gpus in (4, 2):
        await ensure_pool(client, "boxes", Pool(gpus=gpus))
        limit = await client.read_global_concurrency_limit_by_name(gpu_limit("boxes"))
        assert (limit.limit, limit.active) == (gpus, True)


async def test_queues_are_made_with_their_priorities(client: PrefectClient) -> None:
    for queues in ({"urgent": 1, "nightly": 9}, {"urgent": 2}):
        await asyncio.gather(*(ensure_pool(client, "lined", Pool(queues=queues)) for _ in range(3)))
        found = {
            queue.name: queue.priority for queue in await client.read_work_queues(work_pool_name="lined")
        }
        assert {name: found[name] for name in queues} == queues
    # What is not named any more stays: runs may wait in it.
    assert set(found) == {"default", "urgent", "nightly"} and found["nightly"] >= 9


HALTED = pytest.mark.parametrize(
    ("change", "said"),
    [({"is_paused": True}, "is paused"), ({"concurrency_limit": 0}, "has the concurrency limit 0")],
    ids=["paused", "no slots"],
)


async def do(remedy: str, environment: dict[str, str]) -> None:
    """Run the command that an error names."""
    words = remedy.strip("`").split()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def test_a_pool_that_is_missing_is_named_with_the_command_that_makes_it(client: PrefectClient) -> None:
    with pytest.raises(PoolError, match='no work pool "absent"') as missing:
        await require_pool(client, "absent")
    assert "prefect work-pool create absent --type process" in missing.value.remedy


@HALTED
async def test_a_pool_that_runs_nothing_is_named_with_the_command_that_mends_it(
    client: PrefectClient, prefect_environment: dict[str, str], change: dict[str, Any], said: str
) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate

    await ensure_pool(client, "halted")
    assert (await require_pool(client, "halted")).name == "halted"
    await client.update_work_pool("halted", WorkPoolUpdate(**change))
    with pytest.raises(PoolError, match=f'pool "halted" {said}') as halted:
        await require_pool(client, "halted")
    await do(halted.value.remedy, prefect_environment)
    await require_pool(client, "halted")


@HALTED
async def test_a_queue_that_runs_nothing_is_named_with_the_command_that_mends_it(
    client: PrefectClient, prefect_environment: dict[str, str], change: dict[str, Any], said: str
) -> None:
    pool = await ensure_pool(client, "queued", Pool(queues={"urgent": 1, "nightly": 9}))
    everything = ("", "urgent", "nightly", "not-made-yet")
    assert await require_pool(client, "queued", everything) == await require_pool(client, "queued")
    urgent = await client.read_work_queue_by_name("urgent", "queued")
    for queue, name, called in ((urgent.id, "urgent", "urgent"), (pool.default_queue_id, "", "default")):
        await client.update_work_queue(queue, **change)
        with pytest.raises(PoolError, match=f'queue "{called}" of the pool "queued" {said}') as halted:
            await require_pool(client, "queued", [name])
        # Trials of other tiers wait for nothing.
        await require_pool(client, "queued", ["nightly"])
        await do(halted.value.remedy, prefect_environment)
    await require_pool(client, "queued", everything)


async def test_workers_are_named_while_they_are_online(
    client: PrefectClient, prefect_environment: dict[str, str]
) -> None:
    import prefect

    assert await workers_of(client, "nowhere") == []
    await ensure_pool(client, "staffed")
    assert await workers_of(client, "staffed") == []
    command = ["-m", "prefect", "worker", "start", "--pool", "staffed", "--name", "ada", "--run-once"]
    worker = await asyncio.create_subprocess_exec(sys.executable, *command, env=prefect_environment)
    assert await worker.wait() == 0
    (one,) = await workers_of(client, "staffed")
    while one.prefect is None:  # the server writes events some seconds later
        await asyncio.sleep(0.2)
        (one,) = await workers_of(client, "staffed")
    assert (one.name, one.prefect) == ("ada", prefect.__version__)
    assert one.last_heartbeat is not None
