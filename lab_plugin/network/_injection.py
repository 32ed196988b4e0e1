"""Credentials that are added outside the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab_plugin.errors import ConfigError
from lab_plugin.network._hosts import BadHost, canonical_host
from lab_plugin.network._policy import Policy

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# They frame or route a message, or belong to one connection.
_RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MAX_VALUE = 8 << 10


@dataclass(frozen=True, kw_only=True)
class Injection:
    """A header that the proxy adds to requests for one host.

    The program inside asks for `http://HOST/...` through the proxy; the proxy speaks TLS to the host,
    verifies its certificate, and sets the header. The value stays outside the sandbox.

    Attributes:
        host: The host, in any spelling; the allow-list has to allow it on `port`.
        header: Name of the header; one that the program sends itself is removed.
        value_from_env: Environment variable of the lab's process that holds the secret.
        prefix: Put before the secret: `"Bearer "`.
        port: The host's port for TLS.
    """

    host: str
    header: str
    value_from_env: str
    prefix: str = ""
    port: int = 443


@dataclass(frozen=True)
class Credential:
    """An injection with its secret read."""

    host: str
    port: int
    header: bytes
    value: bytes = field(repr=False)


def read_credentials(
    injections: Iterable[Injection], policy: Policy, environment: Mapping[str, str]
) -> dict[str, Sequence[Credential]]:
    """Read the secrets.

    Returns:
        Canonical host -> its credentials, all on the same port.

    Raises:
        ConfigError: Some injections cannot be used; it carries a fault for each, and no secret.
    """
    found: dict[str, list[Credential]] = {}
    faults = []
    for injection in injections:
        try:
            credential = _read(injection, policy, environment)
            _refuse_clash(credential, found.get(credential.host, []))
        except BadHost as fault:
            faults.append(f"{injection.header!a} for {injection.host!a}: {fault}")
        else:
            found.setdefault(credential.host, []).append(credential)
    if faults:
        raise ConfigError(
            "credentials cannot be injected",
            "Allow each host in the list of hosts, and export each variable before the lab is started.",
            tuple(faults),
        )
    return dict(found)


def _read(injection: Injection, policy: Policy, environment: Mapping[str, str]) -> Credential:
    try:
        host = canonical_host(injection.host)
    except BadHost as fault:
        raise BadHost(f"the host {fault}") from None
    decision = policy.decide(host, injection.port)
    if not decision.allowed:
        raise BadHost(f"port {injection.port} of the host: {decision.reason}")
    if not _TOKEN.fullmatch(injection.header) or injection.header.lower() in _RESERVED:
        raise BadHost("this header cannot be set")
    secret = environment.get(injection.value_from_env, "")
    if not secret:
        raise BadHost(f"the environment variable {injection.value_from_env!a} is not set")
    value = injection.prefix + secret
    if len(value) > _MAX_VALUE or not _VALUE.fullmatch(value):
        raise BadHost(
            f"prefix and {injection.value_from_env!a} together are no header value: one line of "
            f"visible ASCII, at most {_MAX_VALUE} characters"
        )
    return Credential(host, injection.port, injection.header.encode(), value.encode())


def _refuse_clash(credential: Credential, others: Sequence[Credential]) -> None:
    for other in others:
        if other.port != credential.port:
            raise BadHost("another injection names another port of this host")
        if other.header.lower() == credential.header.lower():
            raise BadHost("another injection sets the same header")
