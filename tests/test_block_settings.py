"""What is remembered of blocks, and what goes through a pipe."""

import stat
from pathlib import Path

import pytest

from lab_plugin.block_settings import BlockSettings, remembered
from lab_plugin.errors import ConfigError
from lab_plugin.lab import Lab
from lab_plugin.mirroring import known_store, open_store
from tests.conftest import git

SETTINGS = {"mlflow-tracking/team": {"uri": "https://mlflow.example.org", "username": "ada"}}
FOUND = BlockSettings(SETTINGS, {"mlflow-tracking/team": {"password": "geheim-123"}})


def test_secrets_go_through_a_pipe_and_into_no_file(tmp_path: Path) -> None:
    FOUND.remember(tmp_path)
    assert remembered(tmp_path) == SETTINGS
    (file,) = tmp_path.iterdir()
    assert b"geheim" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    line = FOUND.to_json()
    assert "\n" not in line and BlockSettings.from_json(line) == FOUND
    assert "geheim" not in repr(FOUND)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"a/b": 3}', b"[" * 100_000])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: bytes) -> None:
    assert remembered(tmp_path / "none") == {}
    (tmp_path / "blocks.json").write_bytes(content)
    assert remembered(tmp_path) == {}


def test_a_store_of_a_block(home: Path, make_lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_lab()
    with (folder / "lab.toml").open("a") as stream:
        stream.write('\n[tracking]\nblock = "mlflow-tracking/team"\n')
    git(folder, "commit", "-qam", "Name a block")
    unknown = Lab.open(folder)
    with pytest.raises(
        ConfigError, match="names the block mlflow-tracking/team, whose settings are not known"
    ):
        open_store(unknown)
    assert known_store(unknown) is None
    found = Lab.open(folder, FOUND)
    store = open_store(found)
    assert (store.uri, store.username, store.password) == ("https://mlflow.example.org", "ada", "geheim-123")
    assert found.redactor.text("it is geheim-123!") == "it is [redacted]!"
    FOUND.remember(found.folder)
    again = open_store(Lab.open(folder))
    assert (again.uri, again.password) == (store.uri, "")
    # A password of a block is for its own server, and for no other.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert open_store(found).password == ""
