"""What one proxy allows itself, and what it counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProxyLimits:
    """Upper bounds for one proxy, all connections of one job together.

    Attributes:
        connections: Served at once; further ones wait until one ends.
        connections_per_second: Accepted per second, after a first burst of `connections`.
        pieces_per_second: Read per second on all connections, after a first burst; a piece has up to 64 KiB.
            It bounds the processor time that a program can take from the lab.
        requests: In the job's whole life, refused ones counted.
        transfer_bytes: Both directions together, in the job's whole life.
        head_bytes: The request line and the header lines of one request.
        head_seconds: Until the head of a request, and then the ClientHello, must be complete.
        connect_seconds: To resolve, connect and (for an injection) shake hands.
        idle_seconds: Without any byte in either direction before a connection is ended.
        log_bytes: Kept of the access log; what is beyond is counted and dropped.
    """

    connections: int = 64
    connections_per_second: float = 100.0
    pieces_per_second: float = 2000.0
    requests: int = 100_000
    transfer_bytes: int = 64 << 30
    head_bytes: int = 16 << 10
    head_seconds: float = 10.0
    connect_seconds: float = 20.0
    idle_seconds: float = 600.0
    log_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What went through one proxy.

    Attributes:
        requests: Requests seen, whatever came of them.
        refused: Of these, the ones that a rule or a check refused.
        failed: Of these, the ones that were allowed and did not reach their host.
        bytes_up: Bytes sent to hosts.
        bytes_down: Bytes received from hosts.
        unlogged: Requests that found no room in the access log.
    """

    requests: int
    refused: int
    failed: int
    bytes_up: int
    bytes_down: int
    unlogged: int
