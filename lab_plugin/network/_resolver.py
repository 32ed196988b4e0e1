"""Names to addresses, as this machine's own resolver answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

# A lookup cannot be cancelled: its thread stays until the C library gives up.
_MAX_THREADS = 64
_threads = threading.BoundedSemaphore(_MAX_THREADS)


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host, by the resolver of this machine.

    The name is absolute: no search domain is added, and names that only the hosts file knows have none.

    Args:
        host: Canonical name.
        port: Port number.

    Raises:
        OSError: There is no answer.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def deliver(settle: Callable[[], None]) -> None:
        # The loop may have ended before the lookup did.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle())

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(f"{host}.", port, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
            deliver(lambda: answer.set_result(addresses))
        except (OSError, UnicodeError) as error:
            fault = OSError(str(error))
            deliver(lambda: answer.set_exception(fault))
        finally:
            _threads.release()

    if not _threads.acquire(blocking=False):
        raise OSError("too many lookups are under way")
    try:
        threading.Thread(target=look_up, name="lab-resolver", daemon=True).start()
    except RuntimeError as error:
        _threads.release()
        raise OSError("no thread for a lookup") from error
    return await answer
