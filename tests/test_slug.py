import re
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_plugin.slug import slug


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Wider MLP", "wider-mlp"),
        ("hidden 128, lr 0.003", "hidden-128-lr-0-003"),
        ("  Größere Schrittweite für Ångström  ", "grossere-schrittweite-fur-angstrom"),
        ("ﬁne ² tuning", "fine-2-tuning"),
        ("x.lock", "x-lock"),
        ("--- ../../etc/passwd @{-1} ~^:?*[\\", "etc-passwd-1"),
        ("новая идея", "idea"),
        ("", "idea"),
        ("a" * 100, "a" * 40),
        ("a" * 39 + " tail", "a" * 39),
    ],
)
def test_examples(title: str, expected: str) -> None:
    assert slug(title) == expected


@given(st.text())
@example("\ud800")
@example("İ" * 50)
@example("\x00\n\x7f")
def test_any_title_becomes_a_short_plain_name(title: str) -> None:
    result = slug(title)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", result)
    assert slug(result) == result


@settings(max_examples=5, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=60), min_size=20, max_size=40))
def test_git_accepts_the_branch(titles: list[str]) -> None:
    for title in {slug(title): title for title in titles}.values():
        ref = f"refs/heads/lab/x/ideas/0001-{slug(title)}"
        checked = subprocess.run(["git", "check-ref-format", ref], check=False)
        assert checked.returncode == 0, title
