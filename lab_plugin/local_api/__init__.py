"""The lab's embedded Prefect API: started once, shared by a user's campaigns, gone when nobody uses it."""

from lab_plugin.local_api._client import GRACE_VARIABLE, LocalApi, healthy
from lab_plugin.local_api._credential import load_credential, make_credential, remove_credential
from lab_plugin.local_api._profile import active_profile_api
from lab_plugin.local_api._record import process_start
from lab_plugin.local_api._settings import (
    DEFAULT_PORT,
    LOGOS_PATH,
    LOGOS_VARIABLE,
    apply,
    client_settings,
    loaded,
    ui_url,
    without_prefect,
)
from lab_plugin.local_api._trouble import start_remedy

__all__ = [
    "DEFAULT_PORT",
    "GRACE_VARIABLE",
    "LOGOS_PATH",
    "LOGOS_VARIABLE",
    "LocalApi",
    "active_profile_api",
    "apply",
    "client_settings",
    "healthy",
    "load_credential",
    "loaded",
    "make_credential",
    "process_start",
    "remove_credential",
    "start_remedy",
    "ui_url",
    "without_prefect",
]
