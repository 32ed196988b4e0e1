"""Taking connections, and leading each request to its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence

import h11

from lab_plugin.network._access_log import AccessLog
from lab_plugin.network._delivery import Delivery, outgoing
from lab_plugin.network._dial import Dialer
from lab_plugin.network._exchange import Exchange, Stopped, Totals
from lab_plugin.network._head import Target, answer, plain_target, read_request, tunnel_target
from lab_plugin.network._hosts import BadHost, canonical_host
from lab_plugin.network._injection import Credential
from lab_plugin.network._limits import ProxyLimits
from lab_plugin.network._line import Line
from lab_plugin.network._pace import Pace
from lab_plugin.network._policy import Policy
from lab_plugin.network._secure import SecureLine
from lab_plugin.network._service import carry_service, dial_service
from lab_plugin.network._tunnel import carry

_PAUSE = 0.1
_BURST = 500
_HTTP_PORT = 80


class Server:
    """One proxy's work, on one event loop.

    Args:
        policy: What may be reached.
        credentials: Canonical host -> what is added to its plain requests.
        dialer: Connects.
        tls: Verifies hosts with credentials.
        limits: Upper bounds.
        log: Gets one line per request.
        services: Host, see `service_host` -> port of this machine; no rule is asked for these.

    Attributes:
        totals: Counts so far.
    """

    def __init__(
        self,
        policy: Policy,
        credentials: Mapping[str, Sequence[Credential]],
        dialer: Dialer,
        tls: ssl.SSLContext,
        limits: ProxyLimits,
        log: AccessLog,
        services: Mapping[str, int],
    ) -> None:
        self._policy = policy
        self._credentials = credentials
        self._dialer = dialer
        self._tls = tls
        self._limits = limits
        self._log = log
        self._services = services
        self._pieces = Pace(limits.pieces_per_second, _BURST)
        self._free = asyncio.Semaphore(limits.connections)
        self._tasks: set[asyncio.Task[None]] = set()
        self.totals = Totals(limits)

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until told to stop; every connection has ended when it returns.

        Args:
            listener: Listening, not blocking.
            stop: Set from the same loop.
        """
        accepting = asyncio.create_task(self._accept(listener))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((accepting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if accepting.done():
                accepting.result()
        finally:
            ending = [accepting, stopping, *self._tasks]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(self._limits.connections_per_second, self._limits.connections)
        while True:
            await self._free.acquire()
            await pace.wait()
            try:
                connected, _ = await loop.sock_accept(listener)
            except OSError:
                # Out of descriptors or memory: that passes, and the next client is served.
                self._free.release()
                await asyncio.sleep(_PAUSE)
                continue
            task = asyncio.create_task(self._attend(connected))
            self._tasks.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()

    async def _attend(self, connected: socket.socket) -> None:
        client = Line(connected, self._pieces)
        exchange = Exchange(self.totals)
        self.totals.requests += 1
        try:
            await self._exchange(client, exchange)
        except Stopped as stopped:
            await _end(client, exchange, stopped)
        except EOFError:
            exchange.stop("failed", "the client left without a request")
        except OSError:
            exchange.reason = "the connection broke"
        except asyncio.CancelledError:
            exchange.reason = "the proxy was closed"
            raise
        except Exception as error:  # noqa: BLE001 - the border: no client may end the proxy
            await _end(
                client, exchange, Stopped("failed", 500, f"a fault of the proxy: {type(error).__name__}")
            )
        finally:
            client.close()
            self._log.write(exchange.close())

    async def _exchange(self, client: Line, exchange: Exchange) -> None:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        request = await read_request(client, parser, self._limits.head_seconds)
        self.totals.check()
        if request.method == b"CONNECT":
            await self._tunnel(client, parser, request, exchange)
        else:
            await self._deliver(client, parser, request, exchange)

    async def _tunnel(
        self, client: Line, parser: h11.Connection, request: h11.Request, exchange: Exchange
    ) -> None:
        target = tunnel_target(request)
        is_service = target.host in self._services
        exchange.kind = "service" if is_service else "tunnel"
        (self._allow_service if is_service else self._allow)(target, exchange)
        while parser.next_event() not in (h11.PAUSED, h11.NEED_DATA):
            pass
        client.unread(parser.trailing_data[0])
        if is_service:
            host = Line(await dial_service(exchange, self._limits.connect_seconds), self._pieces)
        else:
            host = Line(await self._dialer.dial(exchange), self._pieces)
        try:
            if is_service:
                await carry_service(client, host, exchange)
            else:
                await carry(client, host, exchange, self._limits)
        finally:
            host.close()

    async def _deliver(
        self, client: Line, parser: h11.Connection, request: h11.Request, exchange: Exchange
    ) -> None:
        exchange.kind = "request"
        target = plain_target(request)
        credentials = self._credentials.get(_name(target, exchange))
        if credentials is None:
            raise Stopped("refused", 403, "plain http is only for hosts with a credential; ask for https")
        port = credentials[0].port
        if target.port not in (_HTTP_PORT, port):
            raise Stopped("refused", 403, f"port {target.port} is not allowed for this host")
        self._allow(Target(target.host, port), exchange)
        upward = outgoing(request, target.path, credentials)
        connected = await self._dialer.dial(exchange)
        seconds = self._limits.connect_seconds
        host = await SecureLine.open(connected, self._tls, exchange.host, seconds, self._pieces)
        try:
            await Delivery(client, parser, host, exchange, self._limits.idle_seconds).run(upward)
        finally:
            host.close()

    def _allow(self, target: Target, exchange: Exchange) -> None:
        exchange.aim(target.host, target.port)
        decision = self._policy.decide(target.host, target.port)
        if not decision.allowed:
            raise Stopped("refused", 403, decision.reason)
        exchange.host, exchange.verdict = canonical_host(target.host), "allowed"

    def _allow_service(self, target: Target, exchange: Exchange) -> None:
        exchange.aim(target.host, target.port)
        if target.port != self._services[target.host]:
            raise Stopped("refused", 403, f"port {target.port} is not this service's")
        exchange.verdict = "allowed"


async def _end(client: Line, exchange: Exchange, stopped: Stopped) -> None:
    exchange.stop(stopped.verdict, stopped.reason)
    if not exchange.is_answered:
        with contextlib.suppress(OSError):
            await answer(client, stopped)


def _name(target: Target, exchange: Exchange) -> str:
    exchange.aim(target.host, target.port)
    try:
        return canonical_host(target.host)
    except BadHost as fault:
        raise Stopped("refused", 403, f"the target {fault}") from None
