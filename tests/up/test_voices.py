"""The lines of all programs, together."""

from __future__ import annotations

import os
from pathlib import Path

from lab_plugin.up import prefixed
from lab_plugin.up._voices import Voice


def test_only_whole_new_lines_are_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of yesterday\n")
    voice = Voice(log)
    assert voice.lines() == []
    with log.open("a") as file:
        file.write("== started 2026 ==\none\ntw")
    assert voice.lines() == ["one"]
    with log.open("a") as file:
        file.write("o\n\n")
    assert voice.lines() == ["two"]
    voice.close()


def test_a_log_that_is_begun_anew_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    voice = Voice(log)
    assert voice.lines() == []
    log.write_text("first\n")
    assert voice.lines() == ["first"]
    with log.open("a") as file:
        file.write("last of the old\n")
    os.replace(log, tmp_path / "log.1")
    log.write_text("first of the new\n")
    assert voice.lines() == ["last of the old", "first of the new"]
    voice.close()


def test_a_line_cannot_drive_a_terminal_or_fill_memory(tmp_path: Path) -> None:
    log = tmp_path / "log"
    voice = Voice(log)
    log.write_bytes(b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b\r\x08end\xff\n" + b"x" * 5000)
    assert voice.lines() == ["red \ufffd  end\ufffd", "x" * 2000]
    voice.close()


def test_names_are_aligned_and_coloured_on_a_terminal_only() -> None:
    assert prefixed("api", "hello", 6, None) == "api    | hello"
    assert prefixed("api", "hello", 6, 0) == "\x1b[36mapi   \x1b[0m | hello"
