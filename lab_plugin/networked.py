"""A sandbox whose programs reach the hosts that the lab allows, and no other."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lab_plugin.config import Candidate, Config, Proposer
from lab_plugin.errors import SandboxError, ServiceEnded
from lab_plugin.network import (
    Injection,
    MayConnect,
    Policy,
    Proxy,
    Resolve,
    is_public,
    service_host,
    system_resolve,
)
from lab_plugin.sandbox import ACCESS_LOG, Execution, Job, Role, Sandbox
from lab_plugin.scratch import scratch, short_parent
from lab_plugin.services import Services

MOST_ENDS = 3
"""Runs of one job that may each end a service; then it is the program's doing. Tasks retry as often."""

_NONE = "network_none"


def networked(sandbox: Sandbox, config: Config, services: Services | None = None) -> NetworkedSandbox:
    """A sandbox with the network that `[candidate]` and `[proposer]` allow, and with `[services]`.

    Args:
        sandbox: Where the programs run.
        config: The lab's configuration.
        services: The lab's; None for none.

    Raises:
        SandboxError: This sandbox leaves other ways out.
    """
    tables: dict[Role, Candidate | Proposer] = {"candidate": config.candidate, "proposer": config.proposer}
    policies = {role: Policy.parse(table.network, f"[{role}] network") for role, table in tables.items()}
    injections = {role: _injections(table) for role, table in tables.items()}
    return NetworkedSandbox(sandbox, policies, injections, services=services)


def _injections(table: Candidate | Proposer) -> list[Injection]:
    return [
        Injection(host=one.host, header=one.header, value_from_env=one.env, prefix=one.prefix, port=one.port)
        for one in table.credentials
    ]


class NetworkedSandbox(Sandbox):
    """Another sandbox, with one proxy per job of a role that may reach hosts or services.

    A job's access log is `network.jsonl` in its destination. Its guarantees lack `network_none`; a job of
    another role has no network and keeps it.

    Services are started when a job first needs them, and ended by `close`. A job whose service ends says
    nothing: it may be run again, with a fresh service. Only where that happens `MOST_ENDS` times, it is the
    program that failed.

    Args:
        inner: Where the programs run; it must hold `network_none`, since the proxy is the only way out.
            Without it, programs have the host's network: then there can be no rules for hosts, and only
            services that are for every role.
        policies: What each role may reach; without an entry, or with an empty policy, nothing.
        injections: Credentials that are added outside to what a role sends.
        services: Services of the host; None for none.
        resolve: Gives the addresses of a name.
        may_connect: Judges each address.

    Raises:
        SandboxError: The inner sandbox leaves other ways out.
    """

    def __init__(
        self,
        inner: Sandbox,
        policies: Mapping[Role, Policy],
        injections: Mapping[Role, Sequence[Injection]] = MappingProxyType({}),
        *,
        services: Services | None = None,
        resolve: Resolve = system_resolve,
        may_connect: MayConnect = is_public,
    ) -> None:
        self.kind = inner.kind
        self.guarantees = inner.guarantees
        self._inner = inner
        self._policies = {role: policy for role, policy in policies.items() if not policy.is_empty}
        self._injections = injections
        self._services = services
        self._resolve = resolve
        self._may_connect = may_connect
        self._ends: Counter[str] = Counter()
        if _NONE not in inner.guarantees:
            self._require_open_to_all()

    def _require_open_to_all(self) -> None:
        if self._policies:
            raise SandboxError(
                f"sandbox {self.kind!r} cannot hold a network allow-list: its programs reach everything.",
                'Use [sandbox] kind = "bubblewrap", or take the hosts out of `network`.',
            )
        if self._services is not None and (name := self._services.not_for_all()) is not None:
            raise SandboxError(
                f"sandbox {self.kind!r} cannot keep a service from a program: all reach services.{name}.",
                'Use [sandbox] kind = "bubblewrap", or write for = ["candidate", "scorer", "proposer"].',
            )

    async def probe(self) -> None:
        """See `Sandbox.probe`."""
        await self._inner.probe()

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`.

        Raises:
            ConfigError: A variable that is needed is not set, or a credential's host is not allowed.
        """
        if self._services is None or not self._services.of(job.role):
            return await self._run(job, {})
        began = time.monotonic()
        try:
            async with self._services.serving(job.role) as serving:
                variables = {**job.environment, **serving.variables}
                hosts = {service_host(name): port for name, port in serving.ports.items()}
                served = dataclasses.replace(job, environment=variables)
                execution = await serving.during(self._run(served, hosts))
        except ServiceEnded as ended:
            self._ends[job.name] += 1
            if job.role == "scorer" or self._ends[job.name] < MOST_ENDS:
                raise
            return self._blamed(job, ended, time.monotonic() - began)
        del self._ends[job.name]
        return execution

    async def _run(self, job: Job, services: Mapping[str, int]) -> Execution:
        policy = self._policies.get(job.role, Policy())
        if _NONE not in self._inner.guarantees or (policy.is_empty and not services):
            return await self._inner.run(job)
        # Outside of the destination: that has to be empty, and none of it is shown inside.
        with scratch(short_parent()) as folder:
            log = folder / ACCESS_LOG
            proxy = Proxy(
                policy,
                folder,
                log=log,
                injections=self._injections.get(job.role, ()),
                services=services,
                resolve=self._resolve,
                may_connect=self._may_connect,
            )
            async with proxy:
                execution = await self._inner.run(dataclasses.replace(job, network_socket=proxy.socket))
            (job.destination / ACCESS_LOG).write_bytes(log.read_bytes())
        kept = tuple(name for name in execution.guarantees if name != _NONE)
        return dataclasses.replace(execution, guarantees=kept)

    def _blamed(self, job: Job, ended: ServiceEnded, seconds: float) -> Execution:
        """What a program did whose service ends each time: it never scores, and it stops no campaign."""
        stdout, stderr = job.destination / "stdout.log", job.destination / "stderr.log"
        for log in (stdout, stderr):
            log.touch()
        return Execution(
            status="failed",
            reason=f"ended a service {MOST_ENDS} times. {ended.message}",
            exit_code=None,
            signal=None,
            wall_seconds=seconds,
            cpu_seconds=None,
            peak_bytes=None,
            stdout=stdout,
            stderr=stderr,
            outputs={},
            refused={},
            sandbox=self.kind,
            guarantees=tuple(sorted(self.guarantees - {_NONE})),
        )

    async def close(self) -> None:
        """See `Sandbox.close`; ends the services too."""
        try:
            if self._services is not None:
                await self._services.close()
        finally:
            await self._inner.close()
