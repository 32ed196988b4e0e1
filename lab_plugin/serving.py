"""Which Prefect API a campaign uses: the user's own if a profile names one, else the lab's local one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from lab_plugin.errors import ApiError
from lab_plugin.home import Home
from lab_plugin.imports import large_imports
from lab_plugin.local_api import LocalApi, active_profile_api, apply, client_settings, healthy, loaded

# A server far away, or a busy one, is no dead one.
_PATIENCE_SECONDS = 10.0
_CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


@dataclass(frozen=True)
class Serving:
    """The API that serves a campaign.

    Attributes:
        url: Ends in `/api`.
        local: The lab's own server, None when the user's profile names another.
    """

    url: str
    local: LocalApi | None


@contextmanager
def serving(home: Home, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Serving]:
    """Have an API, and this process's Prefect pointed at it, for as long as the context lasts.

    Prefect is imported here, while the server starts.

    Args:
        home: The user's state folder.
        meanwhile: Work that needs no API, done while it starts; what it raises ends the context.

    Raises:
        ApiError: The user's API does not answer, or the local one cannot be started.
    """
    chosen = active_profile_api()
    if chosen is not None:
        require_healthy(chosen)
        with _quiet():
            meanwhile()
            _require_access(chosen)
            yield Serving(chosen, None)
        return
    with LocalApi(home.prefect) as api:
        api.start()
        before = {name: value for name, value in os.environ.items() if name.startswith("PREFECT_")}
        try:
            apply(client_settings(api.expected_url(), home.prefect))
            with large_imports():
                import prefect  # noqa: F401 - a second of import, while the server needs three

            meanwhile()
            url = api.wait()
            apply(client_settings(url, home.prefect))
            loaded()
            yield Serving(url, api)
        finally:
            # The local API is no choice of the user's: afterwards nothing may take it for one.
            apply(before)


@contextmanager
def serving_now(home: Home) -> Iterator[Serving]:
    """`serving` for what outlives this process: an API that runs already, and none that is started for it.

    Raises:
        ApiError: None runs.
    """
    if active_profile_api() is None and LocalApi(home.prefect).running() is None:
        raise ApiError(
            "No Prefect API runs on this machine, and no Prefect profile names another.",
            "`lab up` in another terminal serves one; or name one: `prefect config set PREFECT_API_URL=...`.",
        )
    with serving(home) as served:
        yield served


def check_api(home: Home) -> str:
    """Say which API a campaign would use, started if need be.

    Raises:
        ApiError: It cannot be used.
    """
    with serving(home) as api:
        return f"{api.url} ({'the local API' if api.local else 'of the active profile'})"


def ui_command(home: Home) -> str:
    """How to open the Prefect UI on the lab's history."""
    chosen = active_profile_api()
    if chosen is not None:
        return f"open {chosen.removesuffix('/api')}"
    running = LocalApi(home.prefect).running()
    return "lab up" if running is None else f"open {running.removesuffix('/api')}"


def require_healthy(url: str) -> None:
    """See that the API of the user's environment or active profile answers.

    Args:
        url: Ends in `/api`.

    Raises:
        ApiError: It does not.
    """
    if healthy(url.rstrip("/"), _PATIENCE_SECONDS):
        return
    source = "PREFECT_API_URL" if os.environ.get("PREFECT_API_URL") else "the active Prefect profile"
    raise ApiError(
        f"The Prefect API {urlsplit(url).netloc}, named by {source}, does not answer.",
        "Start it, or unset it: `lab run` then starts an API of its own.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Prefect's log off the terminal, which shows the campaign; unless the user wants it there."""
    if _CONSOLE in os.environ:
        yield
        return
    os.environ[_CONSOLE] = "CRITICAL"
    try:
        yield
    finally:
        os.environ.pop(_CONSOLE, None)


def _require_access(url: str) -> None:
    """See that the user's Prefect settings are let in."""
    with large_imports():
        from prefect.client.orchestration import get_client
        from prefect.exceptions import PrefectHTTPStatusError

    try:
        with get_client(sync_client=True) as client:
            client.read_work_pools(limit=1)
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in (401, 403):
            raise
        raise ApiError(
            f"The Prefect API {urlsplit(url).netloc} asks for a credential; it is missing or wrong.",
            "Set PREFECT_API_AUTH_STRING to user:password, here or in the active Prefect profile.",
        ) from error
