"""Where the UI finds the logo of a type of block.

Prefect's clients take nothing but a web address for it, and the UI has the browser fetch it. The lab's own
API serves logos beside its UI, so that they show without any network; of other servers the UI shows its sign
for blocks.
"""

from __future__ import annotations

import os
from functools import cache

import httpx
from prefect.settings import get_current_settings
from pydantic import HttpUrl

from lab_plugin.local_api import LOGOS_PATH, LOGOS_VARIABLE

_SECONDS = 2.0


def logo_url(slug: str) -> HttpUrl | None:
    """The address of a type's logo; None where no server is known that has it.

    In the server's own process the environment tells; a client asks the API that it is about to tell of the
    type.
    """
    served = os.environ.get(LOGOS_VARIABLE, "")
    if not served:
        api = get_current_settings().api.url
        served = _served_by(api.rstrip("/").removesuffix("/api"), slug) if api else ""
    return HttpUrl(f"{served}/{slug}.svg") if served else None


@cache
def _served_by(server: str, slug: str) -> str:
    try:
        answer = httpx.get(f"{server}{LOGOS_PATH}/{slug}.svg", timeout=_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
    served = answer.status_code == 200 and answer.headers.get("content-type", "") == "image/svg+xml"
    return f"{server}{LOGOS_PATH}" if served else ""
