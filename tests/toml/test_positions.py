from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.toml import Place, parse_toml

DOCUMENT = '''# a comment with [brackets] and = signs
top = 1
"quoted key" . 'literal' = { a = [1, { b = 2 }], "c.d" = "}" }

[table]  # comment
text = """
[not a table]
not_a_key = 1
"""
raw = \'\'\'
# no comment\'\'\'\'\'
after = "\\"#]"
list = [
    1, # one
    "]",

    [2, 3],
]
when = 1979-05-27 07:32:00
[table.sub]
x.y.z = 1
[[items]]
name = "a"
[[items.parts]]
n = 1
[[items.parts]]
n = 2
[[items]]
name = "b"
[items.last]
k = 1
'''

EXPECTED: dict[Place, int] = {
    ("top",): 2,
    ("quoted key",): 3,
    ("quoted key", "literal"): 3,
    ("quoted key", "literal", "a", 1, "b"): 3,
    ("quoted key", "literal", "c.d"): 3,
    ("table",): 5,
    ("table", "text"): 6,
    ("table", "raw"): 10,
    ("table", "after"): 12,
    ("table", "list"): 13,
    ("table", "list", 0): 14,
    ("table", "list", 1): 15,
    ("table", "list", 2): 17,
    ("table", "list", 2, 1): 17,
    ("table", "when"): 19,
    ("table", "sub"): 20,
    ("table", "sub", "x", "y", "z"): 21,
    ("items",): 22,
    ("items", 0, "name"): 23,
    ("items", 0, "parts", 0, "n"): 25,
    ("items", 0, "parts", 1): 26,
    ("items", 0, "parts", 1, "n"): 27,
    ("items", 1): 28,
    ("items", 1, "name"): 29,
    ("items", 1, "last", "k"): 31,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("place", EXPECTED, ids=str)
def test_finds_the_line_of_every_kind_of_key(place: Place, newline: str) -> None:
    document = parse_toml(DOCUMENT.replace("\n", newline))
    assert document.positions.lines[place] == EXPECTED[place]


def test_knows_every_place_that_has_a_value_and_no_other() -> None:
    document = parse_toml(DOCUMENT)
    assert set(document.positions.lines) == set(places_of(document.values))


@pytest.mark.parametrize(
    ("place", "line"), [(("table", "missing"), 5), (("table", "list", 2, 9), 17), (("no",), 1), ((), 1)]
)
def test_a_place_that_is_not_there_has_the_line_of_what_is_around_it(place: Place, line: int) -> None:
    assert parse_toml(DOCUMENT).positions.line(place) == line


def places_of(value: object, place: Place = ()) -> list[Place]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    found: list[Place] = []
    for key, item in entries:
        found += [(*place, key), *places_of(item, (*place, key))]
    return found


@dataclass
class Writer:
    """Writes TOML and notes where it put each thing."""

    lines: list[str] = field(default_factory=lambda: [""])
    places: dict[Place, int] = field(default_factory=dict)

    def write(self, text: str) -> None:
        first, *rest = text.split("\n")
        self.lines[-1] += first
        self.lines += rest

    def note(self, place: Place) -> None:
        self.places.setdefault(place, len(self.lines))


NAMES = st.one_of(
    st.text("abcXYZ019_-", min_size=1, max_size=4),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=4),
)
LEAVES = st.one_of(
    st.integers(-(2**62), 2**62).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["true", "'''\n# ]\n''''", '"""\n[x]\n= \\""" \\\n  """""']),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    st.just("1979-05-27T07:32:00Z"),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4)


def key(name: str) -> str:
    bare = name and all(character in "abcXYZ019_-" for character in name)
    return name if bare else json.dumps(name, ensure_ascii=False)


def write_value(writer: Writer, value: object, place: Place, gap: str) -> None:
    if isinstance(value, str):
        writer.write(value)
    elif isinstance(value, list):
        writer.write("[")
        for index, item in enumerate(value):
            writer.write(gap)
            writer.note((*place, index))
            write_value(writer, item, (*place, index), gap)
            writer.write("," + gap)
        writer.write("]")
    else:
        assert isinstance(value, dict)
        writer.write("{ ")
        for index, (name, item) in enumerate(value.items()):
            writer.write(", " if index else "")
            writer.note((*place, name))
            writer.write(f"{key(name)} = ")
            write_value(writer, item, (*place, name), gap)
        writer.write(" }")


@given(tables=TABLES, gap=st.sampled_from(["", " ", "\n", "  # note ]\n\n"]), blank=st.integers(0, 2))
@settings(max_examples=80, deadline=None)
def test_finds_whatever_was_written_where_it_was_written(
    tables: dict[str, dict[str, object]], gap: str, blank: int
) -> None:
    writer = Writer()
    for table, content in tables.items():
        writer.note((table,))
        writer.write(f"[ {key(table)} ] # [x]\n")
        for name, value in content.items():
            writer.write("\n" * blank)
            writer.note((table, name))
            writer.write(f"{key(name)} = ")
            write_value(writer, value, (table, name), gap)
            writer.write("\n")
    document = parse_toml("\n".join(writer.lines))
    assert document.positions.lines == writer.places
    assert set(places_of(document.values)) == set(writer.places)
