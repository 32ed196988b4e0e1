"""Prefect's engine for the subflows of a campaign, which leaves SIGTERM to the campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.flow_engine import AsyncFlowRunEngine

from lab_plugin.flows.deployed import keep_sigterm


@dataclass(kw_only=True)
class CampaignEngine(AsyncFlowRunEngine[Any, Any]):
    """Runs a subflow; a signal that ends the campaign is never raised in the subflow's code."""

    async def begin_run(self) -> State[Any]:
        """Take the signal back, which Prefect took just before, and begin."""
        keep_sigterm()
        return await super().begin_run()

    async def play(self) -> State[Any]:
        """Run the flow to its last state, whatever that is."""
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()
        return self.state
