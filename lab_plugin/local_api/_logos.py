"""The logos of the lab's types of blocks, served where the UI's pages come from: no web address is needed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import lab_plugin
from lab_plugin.guards import App, Message
from lab_plugin.local_api._settings import LOGOS_PATH

_FOLDER = Path(lab_plugin.__file__).parent / "blocks" / "logos"
_NAME = re.compile(rf"{LOGOS_PATH}/([a-z0-9-]+\.svg)")


class Logos:
    """ASGI middleware that answers for the logos.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Send a logo, or pass on."""
        name = _NAME.fullmatch(scope["path"]) if scope["type"] == "http" else None
        data = _read(name[1]) if name else None
        if data is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"image/svg+xml"), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data if scope["method"] == "GET" else b""})


def _read(name: str) -> bytes | None:
    try:
        return (_FOLDER / name).read_bytes()
    except OSError:
        return None
