"""The way out of a sandbox: an allow-list, the proxy that holds it, and the forwarder inside.

A sandbox has no network. Where a lab allows hosts, one unix socket is shown inside, read-only, and
`forwarder.py` runs there in front of the program: it gives the program a proxy on 127.0.0.1 and carries
the bytes to the socket. Every decision falls outside, in `Proxy`; nothing inside is trusted.

**What is held.** Only allowed names and ports; the proxy resolves them itself and connects to the very
address that it checked, never to one that is not public. A tunnel carries TLS, and each ClientHello in it
names the host that was asked for; what hides that name (Encrypted Client Hello) is refused. Credentials
are added outside, to plain requests that the proxy itself carries on over verified TLS.

A service of the host (`[services]`) is carried by the same socket: the forwarder listens on its port inside,
and the proxy connects to that one port of this machine, and to nothing else of it.

**What is not held.** Inside an allowed TLS connection the proxy cannot read: a server that answers for
several names by the encrypted Host header serves all of them. An allowed host can be told anything.
"""

from lab_plugin.network._addresses import is_public
from lab_plugin.network._dial import MayConnect, Resolve
from lab_plugin.network._gate import HelloGate, HelloRefused
from lab_plugin.network._injection import Injection
from lab_plugin.network._limits import ProxyLimits, Usage
from lab_plugin.network._policy import Decision, Policy, Rule
from lab_plugin.network._proxy import FORWARDER, Proxy
from lab_plugin.network._resolver import system_resolve
from lab_plugin.network._service import service_host

__all__ = [
    "FORWARDER",
    "Decision",
    "HelloGate",
    "HelloRefused",
    "Injection",
    "MayConnect",
    "Policy",
    "Proxy",
    "ProxyLimits",
    "Resolve",
    "Rule",
    "Usage",
    "is_public",
    "service_host",
    "system_resolve",
]
