"""Which Prefect API the user has chosen, found without importing Prefect (about a second)."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from lab_plugin.errors import ApiError

_VARIABLE = "PREFECT_API_URL"


def active_profile_api() -> str | None:
    """The API of the user's environment or active Prefect profile; None when none is chosen.

    Follows Prefect: the environment, then `prefect.toml` and `pyproject.toml` of the working directory, then
    the active profile. `.env` is left out: in a user's repository it belongs to their program.

    Raises:
        ApiError: The profiles file cannot be read, or names a profile that it does not have.
    """
    return os.environ.get(_VARIABLE) or _project_api() or _profile_api()


def _project_api() -> str | None:
    prefect = _read(Path("prefect.toml"))
    tool = _table(_table(_read(Path("pyproject.toml")), "tool"), "prefect")
    return _text(_table(prefect, "api").get("url")) or _text(_table(tool, "api").get("url"))


def _profile_api() -> str | None:
    path = _profiles_path()
    content = _read(path)
    name = os.environ.get("PREFECT_PROFILE") or _text(content.get("active"))
    if name is None:
        return None
    profiles = _table(content, "profiles")
    if name not in profiles and os.environ.get("PREFECT_PROFILE") and path.exists():
        raise ApiError(
            f"PREFECT_PROFILE={name} is no profile of {path}.", "See `prefect profile ls`, or unset it."
        )
    return _text(_table(profiles, name).get(_VARIABLE))


def _profiles_path() -> Path:
    if given := os.environ.get("PREFECT_PROFILES_PATH"):
        return Path(given).expanduser()
    home = os.environ.get("PREFECT_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".prefect") / "profiles.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ApiError(f"{path} cannot be read: {error}.", "Mend it; Prefect reads it too.") from error


def _table(content: dict[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
