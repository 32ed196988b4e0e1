"""A sandbox whose programs reach the hosts that the lab allows, and no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from lab_plugin.config import Candidate, Config, Proposer
from lab_plugin.errors import SandboxError
from lab_plugin.network import Injection, MayConnect, Policy, Proxy, Resolve, is_public, system_resolve
from lab_plugin.sandbox import ACCESS_LOG, Execution, Job, Role, Sandbox

_NONE = "network_none"


def networked(sandbox: Sandbox, config: Config) -> NetworkedSandbox:
    """A sandbox with the network that `[candidate]` and `[proposer]` allow.

    Raises:
        SandboxError: This sandbox leaves other ways out.
    """
    tables: dict[Role, Candidate | Proposer] = {"candidate": config.candidate, "proposer": config.proposer}
    policies = {role: Policy.parse(table.network, f"[{role}] network") for role, table in tables.items()}
    injections = {role: _injections(table) for role, table in tables.items()}
    return NetworkedSandbox(sandbox, policies, injections)


def _injections(table: Candidate | Proposer) -> list[Injection]:
    return [
        Injection(host=one.host, header=one.header, value_from_env=one.env, prefix=one.prefix, port=one.port)
        for one in table.credentials
    ]


class NetworkedSandbox(Sandbox):
    """Another sandbox, with one proxy per job of a role that may reach hosts.

    A job's access log is `network.jsonl` in its destination. Its guarantees lack `network_none`; a job of
    another role has no network and keeps it.

    Args:
        inner: Where the programs run; it must hold `network_none`, since the proxy is the only way out.
        policies: What each role may reach; without an entry, or with an empty policy, nothing.
        injections: Credentials that are added outside to what a role sends.
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
        resolve: Resolve = system_resolve,
        may_connect: MayConnect = is_public,
    ) -> None:
        if _NONE not in inner.guarantees:
            raise SandboxError(
                f"sandbox {inner.kind!r} cannot hold a network allow-list: its programs reach everything.",
                'Use [sandbox] kind = "bubblewrap", or take the hosts out of `network`.',
            )
        self.kind = inner.kind
        self.guarantees = inner.guarantees
        self._inner = inner
        self._policies = {role: policy for role, policy in policies.items() if not policy.is_empty}
        self._injections = injections
        self._resolve = resolve
        self._may_connect = may_connect

    async def probe(self) -> None:
        """See `Sandbox.probe`."""
        await self._inner.probe()

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`.

        Raises:
            ConfigError: A credential cannot be used: its variable is not set, or its host not allowed.
        """
        policy = self._policies.get(job.role)
        if policy is None:
            return await self._inner.run(job)
        # Outside of the destination: that has to be empty, and none of it is shown inside.
        with TemporaryDirectory(prefix="lab-network-") as folder:
            log = Path(folder, ACCESS_LOG)
            proxy = Proxy(
                policy,
                Path(folder),
                log=log,
                injections=self._injections.get(job.role, ()),
                resolve=self._resolve,
                may_connect=self._may_connect,
            )
            async with proxy:
                execution = await self._inner.run(dataclasses.replace(job, network_socket=proxy.socket))
            (job.destination / ACCESS_LOG).write_bytes(log.read_bytes())
        kept = tuple(name for name in execution.guarantees if name != _NONE)
        return dataclasses.replace(execution, guarantees=kept)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        await self._inner.close()
