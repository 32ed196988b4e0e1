"""`lab.lock`: what it says, and every way in which it is not what it should be."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import LockError
from lab_plugin.scorer import VERSION, Lock, Terms, differences, read_lock, require_equal

TEXT = st.text(max_size=8)
TERMS = st.builds(
    Terms,
    files=st.dictionaries(TEXT, TEXT, max_size=3),
    data=st.dictionaries(TEXT, TEXT, max_size=3),
    holdout=st.dictionaries(TEXT, TEXT, max_size=3),
    holdout_data=st.dictionaries(TEXT, TEXT, max_size=3),
    rules=st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.none()), max_size=3),
    environment=st.dictionaries(TEXT, TEXT, max_size=3),
)


def lock_of(terms: Terms) -> Lock:
    return Lock(
        version=VERSION,
        lab="a",
        epoch=1,
        reason="r",
        digest=terms.digest(),
        commit="c",
        value=1.0,
        terms=terms,
    )


@given(one=TERMS, other=TERMS)
def test_equal_digests_are_equal_terms(one: Terms, other: Terms) -> None:
    assert (one.digest() == other.digest()) == (one == other)
    assert bool(differences(one, other)) == (one != other)


@given(terms=TERMS)
def test_a_lock_is_read_back_as_it_was_written(
    terms: Terms, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("lock") / "lab.lock"
    file.write_bytes(lock_of(terms).to_bytes())
    assert read_lock(file) == lock_of(terms)


@pytest.mark.parametrize("version", [1, VERSION + 1, "2", None])
def test_a_lock_of_another_version_says_so(tmp_path: Path, version: object) -> None:
    file = tmp_path / "lab.lock"
    # Whatever else such a lock holds is not this program's to judge.
    file.write_text(json.dumps({"version": version, "novel": True}))
    with pytest.raises(LockError, match=f"is of version {version} of the lock; this program") as caught:
        read_lock(file)
    assert "lab lock --reason" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"null", b'{"version": 2}', b"[" * 100_000])
def test_a_lock_that_is_no_lock_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lab.lock"
    file.write_bytes(content)
    with pytest.raises(LockError):
        read_lock(file)


def test_a_lock_that_was_edited_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lab.lock"
    terms = Terms(files={"score.py": "100644:aa"}, data={}, rules={}, environment={})
    file.write_bytes(lock_of(terms).to_bytes().replace(b"100644:aa", b"100644:bb"))
    with pytest.raises(LockError, match="edited by hand"):
        read_lock(file)


def test_a_difference_is_told_by_what_it_is(tmp_path: Path) -> None:
    locked = Terms(
        files={"a.py": "1"},
        data={"d.csv": "1"},
        holdout={"h.csv": "1"},
        rules={"scorer": {"metric": "x"}},
        environment={"distributions": {"numpy": "1"}, "content": {"site-packages/numpy": "aa"}},
    )
    found = Terms(
        files={"b.py": "1"},
        data={"d.csv": "2"},
        holdout={"h.csv": "2"},
        rules={"scorer": {"metric": "y"}},
        environment={"distributions": {"numpy": "2"}, "content": {"site-packages/numpy": "bb"}},
    )
    assert differences(locked, found) == (
        "scorer file removed: a.py",
        "scorer file added: b.py",
        "data file changed: d.csv",
        "hold-out file changed: h.csv",
        'rule changed: scorer.metric: "x" -> "y"',
        "environment changed: content.site-packages/numpy",
        'environment changed: distributions.numpy: "1" -> "2"',
    )
    with pytest.raises(LockError, match="in the environment: numpy/core.py"):
        require_equal(locked, found, ("in the environment: numpy/core.py",))
