"""Which Prefect API a `lab up` serves or uses, and what its own servers ask of whoever calls."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lab_plugin.errors import UpError
from lab_plugin.home import VARIABLE, Home
from lab_plugin.local_api import (
    LocalApi,
    active_profile_api,
    client_settings,
    load_credential,
    make_credential,
    remove_credential,
    without_prefect,
)
from lab_plugin.serving import require_healthy

# A campaign has a display of its own; a worker's log is all there is of it.
_QUIET = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


def foreign_api() -> str | None:
    """The API of the user's environment or active profile, which answers; None where none is chosen.

    Raises:
        ApiError: It does not answer.
    """
    chosen = active_profile_api()
    if chosen is not None:
        require_healthy(chosen)
    return chosen


def set_authentication(home: Home, wanted: bool | None) -> str | None:
    """Have the user's servers ask for a credential, or for none, from their next start on.

    Args:
        home: The user's state folder.
        wanted: None leaves it as it is.

    Returns:
        The credential, `user:password`; None for none.

    Raises:
        UpError: The API runs, and for others, as it is not wanted.
        ApiError: The credential cannot be read or written.
    """
    there = load_credential(home.prefect)
    if wanted is None or wanted == (there is not None):
        return there
    api = LocalApi(home.prefect)
    if (url := api.running()) is not None:
        if api.is_used():
            how = "without authentication" if wanted else "with authentication"
            raise UpError(
                f"The Prefect API {url} runs {how}, and a campaign or another `lab up` uses it.",
                "End what uses it, and try again; or leave the option out.",
            )
        api.stop()
    if wanted:
        return make_credential(home.prefect)
    remove_credential(home.prefect)
    return None


def client_environment(home: Home, foreign: str | None) -> dict[str, str]:
    """The environment for processes that use the API: workers, and what they start.

    Args:
        home: The user's state folder.
        foreign: The API of the user's profile; None for the local one, which runs.
    """
    if foreign is not None:
        return {**os.environ, "PREFECT_API_URL": foreign, **_foreign_auth(), VARIABLE: str(home.root)}
    settings = client_settings(LocalApi(home.prefect).expected_url(), home.prefect)
    del settings[_QUIET]
    return {**without_prefect(os.environ), **settings, VARIABLE: str(home.root)}


def _foreign_auth() -> Mapping[str, str]:
    # Prefect finds it where it finds the API's address, which may be a file of this folder.
    from prefect.settings import PREFECT_API_AUTH_STRING

    secret = PREFECT_API_AUTH_STRING.value()
    return {"PREFECT_API_AUTH_STRING": secret} if secret else {}
