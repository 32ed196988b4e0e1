"""What the local API and its clients are told through the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from lab_plugin import __version__
from lab_plugin.local_api._credential import load_credential

HOST = "127.0.0.1"
DEFAULT_PORT = 4200
LOGOS_PATH = "/lab/logos"
"""Behind the UI's address: the logos of the lab's types of blocks, as `SLUG.svg`."""
LOGOS_VARIABLE = "PREFECT_LAB_LOGOS"
"""Tells the server's process the address of its own logos."""

_MEMO = "memo-*.toml"


def api_url(port: int) -> str:
    """The address that clients use."""
    return f"http://{HOST}:{port}/api"


def ui_url(port: int) -> str:
    """The address that a browser opens."""
    return f"http://{HOST}:{port}"


def server_settings(home: Path, port: int, credential: str | None) -> dict[str, str]:
    """The environment of the server process, apart from what it inherits.

    Args:
        home: The API's folder.
        port: The port that it listens on.
        credential: `user:password` that it asks for; None for none.
    """
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_API_HOST": HOST,
        # The UI calls the API at this port, whatever port uvicorn listens on.
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(own_origins(port)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Otherwise Prefect writes its pages beside its code, into the environment that labs lock.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_MEMO_STORE_PATH": str(home / _memo(port)),
        LOGOS_VARIABLE: f"{ui_url(port)}{LOGOS_PATH}",
        "DO_NOT_TRACK": "1",
        # One write for a hundred events instead of one each: half the server's CPU.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
        "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        **({"PREFECT_SERVER_API_AUTH_STRING": credential, **_WITH_CSRF} if credential else {}),
    }


# A browser sends a password along with whatever a page has it send.
_WITH_CSRF = {"PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true"}


def forget_old_memos(home: Path, port: int) -> None:
    """Have Prefect register types of blocks anew where what it noted was of another version or port.

    It compares the names of their classes only; and their logos' addresses hold the port.
    """
    for memo in home.glob(_MEMO):
        if memo.name != _memo(port):
            memo.unlink(missing_ok=True)


def _memo(port: int) -> str:
    return _MEMO.replace("*", f"{__version__}-{port}")


# They serve deployments and workers, which a campaign without a server of its own has none of.
WITHOUT_DEPLOYMENTS = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in ("SCHEDULER", "LATE_RUNS", "FOREMAN", "CLEANUP_RECONCILER")
}


def client_settings(url: str, home: Path) -> dict[str, str]:
    """The environment for a process that runs flows against the local API.

    Put it into `os.environ` before Prefect is imported. It shadows the user's profile and touches none of its
    files.

    Args:
        url: What `LocalApi.wait` returned.
        home: The API's folder; results are stored below it, where no sandbox reaches.

    Raises:
        ApiError: The folder's credential cannot be read.
    """
    credential = load_credential(home)
    return {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "2",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true" if credential else "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        # Compressing for the loopback costs both sides more than it saves.
        "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"Accept-Encoding": "identity"}),
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        **({"PREFECT_API_AUTH_STRING": credential} if credential else {}),
    }


def own_origins(port: int) -> tuple[str, str]:
    """The origins of the API's own pages."""
    return f"http://{HOST}:{port}", f"http://localhost:{port}"


def without_prefect(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the caller's Prefect settings, which could point elsewhere."""
    return {name: value for name, value in environment.items() if not _is_setting(name)}


def apply(settings: Mapping[str, str]) -> None:
    """Make this process's environment hold these Prefect settings and no others.

    A Prefect that is imported already needs `loaded` afterwards.
    """
    for name in [name for name in os.environ if _is_setting(name)]:
        del os.environ[name]
    os.environ.update(settings)


def loaded() -> None:
    """Have an imported Prefect take its settings from the environment as it is now."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def _is_setting(name: str) -> bool:
    return name.startswith("PREFECT_") and not name.startswith("PREFECT_LAB_")
