"""The owner's wishes in git: several writers, none is lost; damage is told and changes nothing."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import LabError
from lab_plugin.queue import Wishes, WishStore, WishWatch
from lab_plugin.repository import RefChange, Repository
from tests.conftest import git

REF = "refs/lab/digits/queue"
NUMBERS = st.frozensets(st.integers(1, 10**9), max_size=8)
WISHES = st.builds(
    Wishes,
    paused=st.booleans(),
    held=NUMBERS,
    cancelled=NUMBERS,
    priorities=st.dictionaries(st.integers(1, 10**9), st.integers(-1000, 1000), max_size=8),
    added=NUMBERS,
)
BROKEN = [
    b"",
    b"[]",
    b"{",
    b"[" * 100_000,
    b'{"paused": 1}',
    b'{"held": [0]}',
    b'{"held": [true]}',
    b'{"held": [1.0]}',
    b'{"held": {"1": 2}}',
    b'{"cancelled": ["7"]}',
    b'{"priorities": {"07": 1}}',
    b'{"priorities": {"7": 1001}}',
    b'{"priorities": {"7": true}}',
    b'{"priorities": {"7": NaN}}',
    b'{"paused": true, "paused": false}',
    b'{"pause": true}',
    json.dumps({"held": list(range(1, 20_000))}).encode(),
    b'{"held": [' + b"1," * 200_000 + b"1]}",
    b"\xff\xfe",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[WishStore]:
    repository = Repository.open(folder)
    yield WishStore(repository, REF)
    repository.close()


def put(folder: Path, data: bytes) -> None:
    repository = Repository.open(folder)
    repository.update_refs([RefChange(REF, repository.write_blob(data))])
    repository.close()


@given(WISHES)
def test_wishes_come_back_as_they_were(wishes: Wishes) -> None:
    data = wishes.encode()
    assert Wishes.decode(data) == wishes
    assert Wishes.decode(data).encode() == data
    gone = {*list(wishes.held)[:1], *list(wishes.priorities)[:2]}
    rest = wishes.without(gone)
    assert not gone & {*rest.held, *rest.cancelled, *rest.added, *rest.priorities}
    assert rest.paused == wishes.paused


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_wishes_or_a_fault(data: bytes | str) -> None:
    try:
        assert isinstance(Wishes.decode(data if isinstance(data, bytes) else data.encode()), Wishes)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_damage_is_told_with_its_remedy_and_changes_nothing(
    folder: Path, store: WishStore, data: bytes
) -> None:
    store.change(lambda wishes: replace(wishes, held=frozenset({7})))
    watch = WishWatch(store)
    assert watch.look() and not watch.look()
    put(folder, data)
    assert watch.look() and watch.wishes.held == {7} and "cannot be read" in watch.fault
    assert not watch.look()
    with pytest.raises(LabError, match="cannot be read") as caught:
        store.change(lambda wishes: replace(wishes, paused=True))
    assert caught.value.remedy.endswith(f"git update-ref -d {REF}")
    watch.settle([7])
    git(folder, "update-ref", "-d", REF)
    assert watch.look() and not watch.fault and watch.wishes == Wishes()


def test_none_of_many_writers_is_lost(folder: Path) -> None:
    def write(first: int) -> None:
        repository = Repository.open(folder)
        store = WishStore(repository, REF)
        for number in range(first, first + 6):
            store.change(lambda wishes, number=number: replace(wishes, held=wishes.held | {number}))
        store.change(lambda wishes: wishes.without({first}))
        repository.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (10, 20, 30, 40)))
    repository = Repository.open(folder)
    wishes = WishStore(repository, REF).read()
    repository.close()
    assert wishes.held == {first + more for first in (10, 20, 30, 40) for more in range(1, 6)}


def test_what_is_decided_is_forgotten_and_no_wish_leaves_no_ref(folder: Path, store: WishStore) -> None:
    store.change(lambda wishes: replace(wishes, cancelled=frozenset({3}), priorities={3: 4, 5: 6}))
    watch = WishWatch(store)
    watch.settle([3])
    assert watch.wishes == store.read() == Wishes(priorities={5: 6})
    watch.settle([4])
    watch.settle([5])
    assert store.read() == Wishes() and git(folder, "for-each-ref", REF) == ""
