from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab_plugin.config import find, load
from lab_plugin.errors import ConfigError


def test_finds_the_nearest_one_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.toml").touch()
    (tmp_path / "inner/deep/er").mkdir(parents=True)
    assert find(tmp_path / "inner/deep") == tmp_path / "lab.toml"
    (tmp_path / "inner/lab.toml").touch()
    assert find(tmp_path / "inner/deep/er") == tmp_path / "inner/lab.toml"
    monkeypatch.chdir(tmp_path / "inner/deep")
    assert find(Path()) == tmp_path / "inner/lab.toml"
    assert find(Path("..")) == tmp_path / "inner/lab.toml"


def test_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find(tmp_path)
    assert "lab init" in caught.value.remedy


@pytest.mark.parametrize("start", ["missing", "file", "nul\0"])
def test_refuses_to_start_where_there_is_no_folder(tmp_path: Path, start: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is no folder"):
        find(tmp_path / start)


def test_knows_its_folder(tmp_path: Path, valid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.toml").write_text(valid)
    monkeypatch.chdir(tmp_path)
    config = load(Path("lab.toml"))
    assert (config.source, config.folder) == (tmp_path / "lab.toml", tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "lab.toml:1: is empty"),
        (b"\xef\xbb\xbfa = 1", "lab.toml:1: begins with a byte order mark; save it as UTF-8 without one"),
        (b"a = 1\nb = '\xe9'", "lab.toml:2: byte 0xe9 is not UTF-8"),
        (b"a = 1\n\x00", "lab.toml:2: column 1: Invalid statement"),
        (b"\xff\xfea\x00", "lab.toml:1: byte 0xff is not UTF-8"),
        (b"[lab\nname = 1", "lab.toml:1: column 5: Expected ']' at the end of a table declaration"),
    ],
)
def test_refuses_bytes_that_are_no_toml(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "lab.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "lab.toml")
    assert caught.value.faults == (fault,)


def test_refuses_a_huge_file_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.touch()
    os.truncate(path, 50 << 20)
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load(path)


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    with pytest.raises(ConfigError, match="No such file"):
        load(path)
    path.mkdir()
    with pytest.raises(ConfigError, match=r"is a folder|Is a directory"):
        load(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="no regular file"):
        load(path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(ConfigError, match="symbolic links"):
        load(path)
    with pytest.raises(ConfigError, match="no regular file"):
        load(Path("/dev/zero"))
    with pytest.raises(ConfigError, match="null"):
        load(tmp_path / "a\0b")


def test_line_ends_of_windows_do_not_move_the_lines(tmp_path: Path, valid: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_bytes(valid.replace("timeout =", "timout =").replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.faults[0].startswith("lab.toml:9: ")
