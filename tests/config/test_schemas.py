"""`[candidate.schemas]`: read, refused by line, and part of the lock."""

from collections.abc import Callable

import pytest

from lab_plugin.config import CsvSchema, JsonSchema, NpySchema, parse

Fault = Callable[[str, str], str]
OUTPUTS = 'outputs = ["predictions.npy"]\n'


def with_schema(text: str) -> str:
    return f"outputs = ['predictions.npy', 'a.json', 'a.csv']\nschemas = {{ {text} }}\n"


def test_every_kind_is_read(valid: str) -> None:
    text = with_schema(
        '"predictions.npy" = { type = "npy", dtype = "float64", shape = [360, "*", "n"] },'
        '"a.json" = { type = "json", schema = { type = "object" }, max = "64KiB" },'
        '"a.csv" = { type = "csv", columns = { b = "int", a = "float" }, rows = "n" }'
    )
    schemas = parse(valid.replace(OUTPUTS, text)).candidate.schemas
    array, document, table = schemas.values()
    assert isinstance(array, NpySchema)
    assert (array.shape, array.finite) == ((360, "*", "n"), True)
    assert isinstance(document, JsonSchema)
    assert (document.definition, document.max) == ({"type": "object"}, 65_536)
    assert isinstance(table, CsvSchema)
    assert list(table.columns.items()) == [("b", "int"), ("a", "float")]


def test_schemas_are_rules_and_none_leave_the_rules_as_they_were(valid: str) -> None:
    def rules(columns: str) -> object:
        text = with_schema(f'"a.csv" = {{ type = "csv", columns = {{ {columns} }} }}')
        return parse(valid.replace(OUTPUTS, text)).scoring_rules()["candidate"]

    without = parse(valid).scoring_rules()
    assert "schemas" not in str(without)
    assert "samples" not in str(without["scorer"])
    # Also after the keys of tables were sorted, as a lock does it.
    ordered, other = rules("a = 'int', b = 'str'"), rules("b = 'str', a = 'int'")
    assert isinstance(ordered, dict) and isinstance(other, dict)
    assert ordered["schemas"]["a.csv"]["columns"] != other["schemas"]["a.csv"]["columns"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('"b.npy" = { type = "bytes", max = 9 }', "none of candidate.outputs"),
        ('"a.json" = { max = 9 }', "the key 'type' is missing; it is one of 'npy', 'json', 'csv', 'bytes'"),
        ('"a.json" = { type = "jsn" }', "did you mean 'json'?"),
        ('"a.json" = { type = "json", scheme = {} }', "did you mean 'schema'?"),
        ('"a.json" = { type = "json", schema = "train.py" }', "must be one of scorer.files"),
        ('"a.json" = { type = "json", schema = "../x.json" }', "must not leave"),
        ('"a.json" = { type = "json", schema = 3 }', "JSON schema as a table"),
        ('"a.json" = { type = "bytes" }', "the key 'max' is missing"),
        ('"a.json" = { type = "bytes", max = 0 }', "greater than or equal to 1"),
        ('"a.json" = { type = "npy", dtype = "object", shape = [] }', "candidate.schemas.a.json.dtype"),
        ('"a.json" = { type = "npy", dtype = "int8", shape = [-1] }', "shape[0]: must be a whole number"),
        ('"a.json" = { type = "npy", dtype = "int8", shape = [true] }', "must be a whole number"),
        ('"a.json" = { type = "npy", dtype = "int8", shape = ["a b"] }', "must be a whole number"),
        ('"a.csv" = { type = "csv", columns = {} }', "must not be empty"),
        ('"a.csv" = { type = "csv", columns = { a = "date" } }', "must be 'int'"),
        ('"a.csv" = { type = "csv", columns = { a = "int" }, rows = -1 }', "must be a whole number"),
        ('"../a" = { type = "bytes", max = 9 }', "must not leave"),
    ],
)
def test_faults_name_the_line_and_the_rule(schema: str, words: str, valid: str, fault: Fault) -> None:
    message = fault(OUTPUTS, with_schema(schema))
    assert message.startswith("lab.toml:")
    assert words in message, message


def test_a_usage_metric_is_one_that_the_host_measures(valid: str, fault: Fault) -> None:
    assert parse(valid.replace('"accuracy"', '"usage.cpu_seconds"')).scorer.metric == "usage.cpu_seconds"
    assert "usage.peak_bytes" in fault('"accuracy"', '"usage.memory"')
