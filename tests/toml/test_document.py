from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_plugin.toml import MAX_KEY_PARTS, TomlFault, parse_toml


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\n\n[t\nb = 2\n", 3),
        ("a = 1\na = 2\n", 2),
        ("a = 'x", 1),
        ("a = [1,\n2,\n", 2),
        ("ok = 1\nbad = \x00\n", 2),
        ("\ufeffa = 1", 1),
        ("a = 1\nb = " + "9" * 5000, 2),
        ("x = 1\n" + "a." * 60_000 + "b = 1", 2),
        ("x = { " + "a." * 60_000 + "b = 1 }", 1),
        ("[" + "a." * 60_000 + "b]", 1),
        ("a = " + "[" * 100_000, 1),
        ("a = " + "{b=" * 100_000, 1),
    ],
    ids=lambda value: str(value)[:20],
)
def test_says_the_line_of_what_is_wrong(text: str, line: int) -> None:
    with pytest.raises(TomlFault) as caught:
        parse_toml(text)
    assert caught.value.line == line
    assert caught.value.message


def test_takes_a_key_of_as_many_parts_as_allowed_and_no_more() -> None:
    assert parse_toml(".".join("a" * MAX_KEY_PARTS) + " = 1").values
    with pytest.raises(TomlFault, match="more than 50 parts"):
        parse_toml(".".join("a" * (MAX_KEY_PARTS + 1)) + " = 1")


PIECES = st.lists(
    st.sampled_from(
        [*"[]{}=,.#'\"\\ \n\t\r", '"""', "'''", "a", "b", "1", "1.5", "true", "[[", "]]", "[a]\n", "\u00e9"]
    ),
    max_size=25,
).map("".join)


@given(text=PIECES)
@example(text='a = """"""""')
@example(text="a = '''x'''''\n[a]")
@settings(max_examples=200, deadline=None)
def test_agrees_with_tomllib_on_any_text(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlFault) as caught:
            parse_toml(text)
        assert 1 <= caught.value.line <= text.count("\n") + 1
    else:
        assert parse_toml(text).values == expected
