from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.config import Config, load, parse
from lab_plugin.errors import ConfigError

FAULT = re.compile(r"lab\.toml:(\d+): \S[^\n]*")


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, int, bytes]]:
    insert = st.sampled_from(
        [
            b"",
            b"\x00",
            b"\xff",
            b"\n",
            b"[",
            b"]",
            b"{",
            b"}",
            b'"',
            b"'''",
            b"=",
            b".",
            b"nan",
            b"-1",
            b"1e999",
            b"true",
            b"[[x]]\n",
            b"# ",
            b"\\",
            b"9" * 5_000,
            b"0xffffffffffffffffffff",
            b"1979-05-27",
            b"{}",
            b'""',
            b"\xe2\x80\xa8",
            b"../",
        ]
    ) | st.binary(max_size=3)
    return draw(
        st.lists(
            st.tuples(st.just("edit"), st.integers(0, 900), st.integers(0, 12), insert),
            min_size=1,
            max_size=3,
        )
    )


@given(changes=edits())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mutation_loads_or_is_refused_with_file_and_line(
    tmp_path: Path, valid: str, changes: list[tuple[str, int, int, bytes]]
) -> None:
    data = valid.encode()
    for _, at, cut, new in changes:
        at = min(at, len(data))
        data = data[:at] + new + data[at + cut :]
    path = tmp_path / "lab.toml"
    path.write_bytes(data)
    try:
        assert isinstance(load(path), Config)
    except ConfigError as error:
        assert error.faults
        for fault in error.faults:
            match = FAULT.fullmatch(fault)
            assert match, fault
            assert 1 <= int(match[1]) <= data.count(b"\n") + 1


VALUES = st.recursive(
    st.sampled_from(
        [
            "0",
            "-1",
            "1.5",
            "true",
            '""',
            '"a"',
            "nan",
            "inf",
            "1979-05-27",
            '"\\u0000"',
            "9" * 400,
            '"../x"',
            '"1h"',
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"k{n} = {v}" for n, v in enumerate(items)) + "}"
        )
    ),
    max_leaves=4,
)


@given(line=st.integers(0, 100), value=VALUES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_for_any_key_loads_or_is_refused(valid: str, line: int, value: str) -> None:
    lines = valid.splitlines()
    keys = [index for index, text in enumerate(lines) if " = " in text]
    index = keys[line % len(keys)]
    lines[index] = lines[index].split("=")[0] + "= " + value
    try:
        assert isinstance(parse("\n".join(lines)), Config)
    except ConfigError as error:
        assert all(FAULT.fullmatch(fault) for fault in error.faults)


def test_the_unchanged_text_loads(tmp_path: Path, valid: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(valid)
    assert load(path).source == path
    with pytest.raises(ConfigError):
        load(tmp_path / "other.toml")
