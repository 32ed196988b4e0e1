import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lab_plugin.repository._names import fault, fault_of_new, leaves, path_fault

PARTS = st.lists(
    st.sampled_from(
        [".", "..", "g", "G", "i", "t", "~1", " ", ":", "\\", "​", "‌", "﻿", "git", ".git", "é", "a"]
    ),
    min_size=1,
    max_size=5,
).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(PARTS, min_size=1, max_size=20, unique=True))
@example(names=[".git", ".GIT", "git~1", ".git ", ".git...", ".git::$INDEX_ALLOCATION", ".g‌it", ".git\\x"])
def test_whatever_git_refuses_is_refused(folder: Path, tmp_path: Path, names: list[str]) -> None:
    blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    for name in names:
        if fault(name) is None:
            taken = subprocess.run(
                [
                    "git",
                    "-c",
                    "core.protectHFS=true",
                    "-c",
                    "core.protectNTFS=true",
                    "update-index",
                    "-z",
                    "--add",
                    "--index-info",
                ],
                cwd=folder,
                env={**os.environ, "GIT_INDEX_FILE": str(tmp_path / "index")},
                input=f"100644 {blob}\t{name}\0".encode(),
                capture_output=True,
                check=False,
            )
            assert taken.returncode == 0, name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".git", ".GiT", "git~1", ".git. .", ".g‌it", ".git:x"])
def test_never(name: str) -> None:
    assert fault(name) and fault_of_new(name) and path_fault(f"a/{name}/b" if name != "a/b" else "a/../b")


@pytest.mark.parametrize(
    "name", [".gitattributes", ".gitmodules", ".GitModules", "a\nb", "a\x7f", "a\\b", os.fsdecode(b"\xe9")]
)
def test_not_by_an_edit(name: str) -> None:
    assert fault(name) is None and fault_of_new(name)


@pytest.mark.parametrize("name", ["a", ".gitignore", "git", ".github", "...", "-rf", "é", "a b", "~1"])
def test_fine(name: str) -> None:
    assert fault(name) is None and fault_of_new(name) is None


@pytest.mark.parametrize(
    ("link", "target", "out"),
    [
        ("a", "b", False),
        ("a", "b/c", False),
        ("d/a", "../b", False),
        ("d/e/a", "../../b", False),
        ("d/a", "..", False),
        ("a", "./b/./c", False),
        ("a", "..", True),
        ("a", "/etc/passwd", True),
        ("d/a", "../../b", True),
        ("a", "", True),
        ("d/a", "b/../../..", True),
        ("d/a", "b/..", True),
        ("a", ".git/config", True),
        ("d/a", "../.git", True),
    ],
)
def test_links(link: str, target: str, out: bool) -> None:
    assert leaves(link, target) is out


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    links=st.dictionaries(
        st.sampled_from(["l", "m", "d/l", "d/m", "d/e/l", "d/e/m"]),
        st.lists(st.sampled_from(["..", ".", "d", "e", "l", "m", "f"]), min_size=1, max_size=5).map("/".join),
        min_size=1,
    )
)
def test_no_accepted_link_leads_out(tmp_path_factory: pytest.TempPathFactory, links: dict[str, str]) -> None:
    root = tmp_path_factory.mktemp("links").resolve()
    (root / "d/e").mkdir(parents=True)
    accepted = [link for link, target in links.items() if not leaves(link, target)]
    for link in accepted:
        (root / link).symlink_to(links[link])
    for link in accepted:
        try:
            real = Path(os.path.realpath(root / link, strict=True))
        except OSError:
            continue
        assert real.is_relative_to(root), links
