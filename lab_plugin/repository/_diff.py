"""Differences between two trees or commits, for people and reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from lab_plugin.repository._git import Git

LIMIT = 256 << 10
_PLAIN = ("--no-ext-diff", "--no-textconv")


@dataclass(frozen=True)
class DiffStat:
    """How large a difference is.

    Attributes:
        files: Files that differ.
        added: Lines added; binary files count none.
        deleted: Lines deleted.
    """

    files: int
    added: int
    deleted: int


def diff(git: Git, before: str, after: str, paths: Sequence[str], limit: int) -> str:
    """A unified diff with prefixes `a/` and `b/`, cut at `limit` bytes with a last line that says so."""
    output, cut = git.run_capped(
        "diff-tree",
        *(
            "-r",
            "-p",
            "-M",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ),
        *(before, after, "--", *paths),
        limit=limit,
    )
    text = output.decode("utf-8", "replace")
    return f"{text}\n... cut after {limit} bytes\n" if cut else text


def diff_stat(git: Git, before: str, after: str, paths: Sequence[str]) -> DiffStat:
    """Count files and lines."""
    flags = ("-r", "--no-renames", "--numstat", "-z", *_PLAIN)
    output = git.run("diff-tree", *flags, before, after, "--", *paths)
    rows = [line.split("\t", 2) for line in os.fsdecode(output).split("\0") if line]
    return DiffStat(
        files=len(rows),
        added=sum(int(row[0]) for row in rows if row[0] != "-"),
        deleted=sum(int(row[1]) for row in rows if row[1] != "-"),
    )
