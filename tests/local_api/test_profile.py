from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab_plugin.errors import ApiError
from lab_plugin.local_api import active_profile_api, client_settings

PROFILES = """
active = "work"
[profiles.work]
PREFECT_API_URL = "http://work/api"
[profiles.bare]
[profiles.other]
PREFECT_API_URL = "http://other/api"
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_nothing_is_chosen_without_profiles() -> None:
    assert active_profile_api() is None


def test_the_active_profile_and_what_overrides_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(PROFILES)
    assert active_profile_api() == "http://work/api"
    monkeypatch.setenv("PREFECT_PROFILE", "bare")
    assert active_profile_api() is None
    monkeypatch.setenv("PREFECT_PROFILE", "other")
    assert active_profile_api() == "http://other/api"
    (tmp_path / "pyproject.toml").write_text('[tool.prefect.api]\nurl = "http://project/api"\n')
    assert active_profile_api() == "http://project/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://env/api")
    assert active_profile_api() == "http://env/api"


def test_prefect_itself_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles.toml").write_text(PROFILES)
    program = "from prefect.settings import PREFECT_API_URL; print(PREFECT_API_URL.value())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == active_profile_api()


def test_damage_is_an_error_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles.toml").write_text("active = ")
    with pytest.raises(ApiError, match=r"profiles\.toml"):
        active_profile_api()
    (tmp_path / "profiles.toml").write_text(PROFILES)
    monkeypatch.setenv("PREFECT_PROFILE", "nope")
    with pytest.raises(ApiError, match="PREFECT_PROFILE=nope"):
        active_profile_api()


def test_importing_the_door_imports_no_prefect() -> None:
    program = "import sys, lab_plugin.local_api; print('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_prefect_knows_every_setting_that_clients_are_given(tmp_path: Path) -> None:
    from prefect.settings.models.root import Settings

    known = set(Settings().to_environment_variables(include_aliases=True)) | {
        "DO_NOT_TRACK",
        "PREFECT_API_URL",
    }
    given = set(client_settings("http://x/api", tmp_path))
    unknown = {name for name in given - known if not name.startswith("PREFECT_LOGGING_HANDLERS_")}
    assert not unknown
