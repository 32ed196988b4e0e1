from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lab_plugin.config import is_scorer_file, scorer_files
from lab_plugin.errors import ConfigError


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("scorer/**", "scorer/a", True),
        ("scorer/**", "scorer/a/b/.c", True),
        ("scorer/**", "scorer", False),
        ("scorer/**", "x/scorer/a", False),
        ("scorer/**", "scorers/a", False),
        ("scorer", "scorer/a/b", True),
        ("scorer", "scorer", True),
        ("scorer/*", "scorer/a", True),
        ("scorer/*", "scorer/a/b", True),
        ("scorer/*.py", "scorer/a.py", True),
        ("scorer/*.py", "scorer/a/b.py", False),
        ("*.csv", "a.csv", True),
        ("*.csv", "x/a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("a/**/**/b", "a/b", True),
        ("test_[ab]?.py", "test_a1.py", True),
        ("test_[!ab].py", "test_a.py", False),
        ("**", "anything/at/all", True),
        ("**", ".git/config", False),
        ("scorer/**", "scorer/.git/config", False),
        ("scorer/**", "scorer/__pycache__/score.cpython-311.pyc", True),
        ("Scorer/**", "scorer/a", False),
        ("scorer/[", "scorer/[", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, matches: bool) -> None:
    assert is_scorer_file(path, [pattern]) == matches


def test_lists_matching_files_sorted_and_leaves_bytecode_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        "scorer/b.py",
        "scorer/a/x",
        "scorer/.hidden",
        "scorer/__pycache__/b.pyc",
        "scorer/old.pyc",
        "other",
    )
    assert scorer_files(tmp_path, ["scorer/**", "scorer/b.py"]) == [
        "scorer/.hidden",
        "scorer/a/x",
        "scorer/b.py",
    ]
    assert scorer_files(tmp_path, ["nothing/**"]) == []


@pytest.mark.parametrize("pattern", ["scorer/**", "scorer/link", "scorer/l*", "**", "*/link"])
def test_refuses_a_link_to_a_file(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, "scorer/a", "secret")
    (tmp_path / "scorer/link").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError) as caught:
        scorer_files(tmp_path, [pattern])
    assert caught.value.faults == ("scorer/link: is a symbolic link",)


@pytest.mark.parametrize("pattern", ["scorer", "scorer/**", "scorer/deep/*.py", "**/*.py"])
def test_refuses_a_linked_folder_on_the_way_to_a_match(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, "elsewhere/deep/a.py")
    (tmp_path / "scorer").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError) as caught:
        scorer_files(tmp_path, [pattern])
    assert "scorer: is a symbolic link" in caught.value.faults


def test_links_that_have_nothing_to_do_with_it_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "scorer/a.py")
    (tmp_path / "scorer/notes.txt").symlink_to("/etc/passwd")
    (tmp_path / "data").symlink_to("/")
    assert scorer_files(tmp_path, ["scorer/*.py"]) == ["scorer/a.py"]


def test_refuses_everything_that_is_no_regular_file_and_lists_all_of_it(tmp_path: Path) -> None:
    write(tmp_path, "scorer/a")
    os.mkfifo(tmp_path / "scorer/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(tmp_path / "scorer", os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    (tmp_path / "scorer/dangling").symlink_to("nowhere")
    with open(os.fsencode(tmp_path) + b"/scorer/\xff", "wb"):
        pass
    with pytest.raises(ConfigError) as caught:
        scorer_files(tmp_path, ["scorer/**"])
    assert caught.value.faults == (
        "scorer/b'\\xff': the name is not UTF-8",
        "scorer/dangling: is a symbolic link",
        "scorer/fifo: is not a regular file",
        "scorer/socket: is not a regular file",
    )


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        scorer_files(tmp_path / "gone", ["**"])


def test_many_wildcards_take_no_time(tmp_path: Path) -> None:
    pattern = "/".join(["**"] * 200 + ["*a*a*a*a*a*a*a*a*b"])
    assert not is_scorer_file("/".join(["a" * 200] * 100), [pattern])


NAMES = st.sampled_from(["a", "b", ".c", "a.py", "b.pyc", "__pycache__", ".git", "[", "a*"])
FILES = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=8)
PATTERNS = st.lists(
    st.lists(
        st.sampled_from(["a", "b", ".c", "*", "**", "*.py", "?", "[ab]", "[!a]", "[", "a*", "**a"]),
        min_size=1,
        max_size=4,
    ).map("/".join),
    min_size=1,
    max_size=3,
)


@given(files=FILES, patterns=PATTERNS)
@example(files=["a/b/.c", "a.py"], patterns=["a/**"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_disk_and_the_path_string_agree(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], patterns: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lab")
    written = set()
    for path in files:
        try:
            write(folder, path)
        except OSError:
            continue
        written.add(path)
    listed = scorer_files(folder, patterns)
    hidden = {path for path in written if is_scorer_file(path, patterns)}
    bytecode = {path for path in written if path.endswith(".pyc") or "__pycache__" in path.split("/")}
    assert listed == sorted(hidden - bytecode)
