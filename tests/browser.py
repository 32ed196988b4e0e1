"""Debian's Chromium over its DevTools protocol: a page is opened, looked at, clicked and typed into."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine is reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--window-size=1400,1600",
    "--remote-debugging-port=0",
)
_WRITINGS = 10
_LOOKS = 5


class Page:
    """One page of a browser.

    Args:
        socket: To the browser.
        session: Of the page.
    """

    def __init__(self, socket: Any, session: str) -> None:
        self._socket = socket
        self._session = session
        self._ids = itertools.count(100)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol on the page."""
        ident = next(self._ids)
        message = {"id": ident, "method": method, "params": parameters, "sessionId": self._session}
        await self._socket.send(json.dumps(message))
        return await _answer(self._socket, ident)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str, seconds: float = 90.0) -> Any:
        """The first true value of an expression."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (value := await self.run(script)):
            if asyncio.get_running_loop().time() > deadline:
                text = await self.run("document.body.innerText")
                raise AssertionError(f"never true: {script}\n{text}")
            await asyncio.sleep(0.2)
        return value

    async def text(self, *parts: str) -> str:
        """The page's text, once it holds all parts."""
        body = "(document.body?.innerText ?? '')"
        script = f"{json.dumps(parts)}.every(part => {body}.includes(part)) && {body}"
        return str(await self.until(script))

    def field(self, title: str) -> str:
        """JavaScript for the first input after a title."""
        titled = f"//*[starts-with(normalize-space(text()), '{title}')]"
        path = f"{titled}/following::*[self::input or self::textarea][1]"
        return f"document.evaluate({json.dumps(path)}, document, null, 9).singleNodeValue"

    async def click(self, element: str) -> None:
        """Click the middle of an element, as a person does, once it stands still.

        Args:
            element: JavaScript for it.
        """
        where = (
            f"(() => {{ const e = {element}; if (!e) return null; e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        before, place = None, await self.until(where)
        while place != before:
            await asyncio.sleep(0.2)
            before, place = place, await self.until(where)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    async def write(self, element: str, text: str) -> None:
        """Replace what an input holds by typing, again where the page drew itself anew meanwhile.

        Args:
            element: JavaScript for it.
            text: What is typed.
        """
        for _ in range(_WRITINGS):
            await self.click(element)
            await self.run(f"(() => {{ const e = {element}; e.focus(); e.select && e.select() }})()")
            await self.call("Input.insertText", text=text)
            if await self._keeps(element, text):
                return
        raise AssertionError(f"{element} does not keep {text!r}\n{await self.run('document.body.innerText')}")

    async def _keeps(self, element: str, text: str) -> bool:
        """Whether an input holds a text, and goes on doing so."""
        for _ in range(_LOOKS):
            if await self.run(f"{element}?.value") != text:
                return False
            await asyncio.sleep(0.2)
        return True

    async def picture(self, path: Path) -> None:
        """Keep what the page looks like, as a PNG file."""
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot"))["data"]))


@asynccontextmanager
async def open_page(url: str, folder: Path) -> AsyncIterator[Page]:
    """A page of a browser of its own, which ends with the context.

    Args:
        url: What it shows.
        folder: Where the browser keeps its things.
    """
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port_file = folder / "DevToolsActivePort"
        while not port_file.exists() or len(port_file.read_text().splitlines()) < 2:
            assert process.poll() is None, "the browser ended"
            await asyncio.sleep(0.1)
        port, path = port_file.read_text().splitlines()[:2]
        async with websockets.connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as socket:
            await socket.send(
                json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}})
            )
            target = (await _answer(socket, 1))["targetId"]
            attach = {"targetId": target, "flatten": True}
            await socket.send(json.dumps({"id": 2, "method": "Target.attachToTarget", "params": attach}))
            page = Page(socket, (await _answer(socket, 2))["sessionId"])
            await page.call("Page.navigate", url=url)
            yield page
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _answer(socket: Any, ident: int) -> dict[str, Any]:
    while True:
        message = json.loads(await socket.recv())
        if message.get("id") == ident:
            assert "error" not in message, message
            return dict(message.get("result", {}))
