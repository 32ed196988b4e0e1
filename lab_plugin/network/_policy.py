"""Which hosts and ports a program may reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lab_plugin.errors import ConfigError
from lab_plugin.network._hosts import AddressLiteral, BadHost, canonical_host

_DEFAULT_PORT = 443
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SHOWN = 80
_REMEDY = (
    'Write a rule as "host", "*.domain" (its subdomains) or "host:port"; without a port it means 443. '
    'A "!" in front forbids instead, on every port unless one is written.'
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of an allow-list.

    Attributes:
        text: As it was written.
        allows: Whether it allows; otherwise it forbids.
        host: Canonical name; with `subdomains`, the domain above them.
        subdomains: Whether it is for the names below `host`, and not for `host` itself.
        port: Port number, 1 to 65535; None for all (only where it forbids).
    """

    text: str
    allows: bool
    host: str
    subdomains: bool
    port: int | None

    def covers(self, host: str, port: int) -> bool:
        """Whether it speaks of this canonical host and this port."""
        named = host.endswith(f".{self.host}") if self.subdomains else host == self.host
        return named and self.port in (None, port)


@dataclass(frozen=True)
class Decision:
    """What a policy says to one target.

    Attributes:
        allowed: Whether it may be reached.
        reason: Why not, one phrase; empty when allowed.
    """

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class Policy:
    """An allow-list: what no rule allows is forbidden, and a rule that forbids beats all that allow.

    Attributes:
        rules: In the order in which they were written.
    """

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, rules: Iterable[object], where: str = "[candidate] network") -> Policy:
        """Read an allow-list.

        Args:
            rules: Texts such as `pypi.org`, `*.example.com`, `!evil.example.com`, `api.example.com:8443`.
            where: What the faults are said to be in.

        Raises:
            ConfigError: Some rules cannot be read; it carries a fault for each of them.
        """
        read: dict[str, Rule] = {}
        faults = []
        for number, text in enumerate(rules, 1):
            try:
                rule = _parse_rule(text)
            except BadHost as fault:
                faults.append(f"{where}, rule {number}: {_shown(text)} {fault}")
            else:
                read.setdefault(rule.text, rule)
        if faults:
            raise ConfigError(f"{where} cannot be used", _REMEDY, tuple(faults))
        return cls(tuple(read.values()))

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all can be reached, so that no proxy is needed."""
        return not any(rule.allows for rule in self.rules)

    def decide(self, host: str, port: int) -> Decision:
        """What it says to a target.

        Args:
            host: The name in any spelling; an address is never allowed.
            port: Port number.
        """
        try:
            name = canonical_host(host)
        except AddressLiteral:
            return Decision(False, "an IP address is never allowed; ask for the host by its name")
        except BadHost as fault:
            return Decision(False, f"the target {fault}")
        covering = [rule for rule in self.rules if rule.covers(name, port)]
        for rule in covering:
            if not rule.allows:
                return Decision(False, f"forbidden by the rule {rule.text}")
        if covering:
            return Decision(True)
        if any(rule.allows and rule.port and rule.covers(name, rule.port) for rule in self.rules):
            return Decision(False, f"port {port} is not allowed for this host")
        return Decision(False, "no rule allows this host")


def _parse_rule(text: object) -> Rule:
    if not isinstance(text, str):
        raise BadHost("is not a text")
    allows = not text.startswith("!")
    pattern = text.removeprefix("!")
    subdomains = pattern.startswith("*.")
    target = pattern.removeprefix("*.") if subdomains else pattern
    _refuse_misreadings(target)
    name, port = _split_port(target)
    host = canonical_host(name)
    if allows and "." not in host:
        raise BadHost(
            "allows a whole top-level domain"
            if subdomains
            else "has no dot: only full host names can be allowed"
        )
    if allows and port is None:
        port = _DEFAULT_PORT
    return Rule(text=text, allows=allows, host=host, subdomains=subdomains, port=port)


def _split_port(pattern: str) -> tuple[str, int | None]:
    name, colon, digits = pattern.rpartition(":")
    if not colon:
        return pattern, None
    if ":" in name or name.startswith("["):
        raise AddressLiteral("is an IP address: only names can be written")
    if not digits.isascii() or not _PORT.fullmatch(digits) or int(digits) > 65535:
        raise BadHost("has a port that is not a number from 1 to 65535")
    return name, int(digits)


def _refuse_misreadings(name: str) -> None:
    if "/" in name:
        raise BadHost("holds a slash: write the host alone, without https:// and without a path")
    if "*" in name:
        raise BadHost('holds a "*" that is not the "*." at its start')
    if not name:
        raise BadHost("names no host")


def _shown(text: object) -> str:
    shown = ascii(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
