"""Subflows whose last state the API took, and died over its answer."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.fleet.conftest import client, prefect_environment, server

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

__all__ = ["client", "prefect_environment", "server"]


async def test_a_state_that_is_told_again_holds_what_the_flow_returned(
    client: "PrefectClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow, flow_engine
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.states import Completed

    from lab_plugin.flows.subflows import SubflowEngine, Subflows

    @flow(name="answers", persist_result=False)
    async def answers() -> State[int]:
        return Completed(message="done", data=7)

    real = flow_engine.propose_state

    async def told_again(*arguments: Any, **keywords: Any) -> State[Any]:
        state = await real(*arguments, **keywords)
        return state.model_copy(update={"data": None})

    monkeypatch.setattr(flow_engine, "propose_state", told_again)
    parent = await client.create_flow_run(answers)

    async def make() -> FlowRun:
        return await Subflows(client).make(answers, parent.id, "one", {}, ())

    state = await SubflowEngine(flow=answers, parameters={}, make=make).play()
    assert (state.message, await state.aresult()) == ("done", 7)
