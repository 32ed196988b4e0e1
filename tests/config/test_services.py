from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.config import parse
from lab_plugin.errors import ConfigError
from tests.config.conftest import VALID

Faults = Callable[[str], tuple[str, ...]]
FIRST = VALID.count("\n") + 2
LEAST = 'command = ["emulator"]\nport = 5555'


def table(*lines: str, name: str = "emulator") -> str:
    return f"{VALID}\n[services.{name}]\n" + "\n".join(lines) + "\n"


def test_a_service_with_defaults() -> None:
    config = parse(table(LEAST))
    (service,) = config.services.values()
    assert service.model_dump(by_alias=True) == {
        "command": ("emulator",),
        "port": 5555,
        "ready": "tcp",
        "timeout": 60.0,
        "for": ("candidate",),
        "env": (),
        "restart": "campaign",
    }


def test_services_are_of_the_scoring_rules_only_where_there_are_some() -> None:
    assert parse(VALID).scoring_rules() == parse(f"{VALID}\n[services]\n").scoring_rules()
    rules = parse(table(LEAST, 'for = ["scorer"]')).scoring_rules()
    assert rules.pop("services") == {
        "emulator": {
            "command": ["emulator"],
            "port": 5555,
            "ready": "tcp",
            "timeout": 60.0,
            "for": ["scorer"],
            "env": [],
            "restart": "campaign",
        }
    }
    assert rules == parse(VALID).scoring_rules()


@pytest.mark.parametrize("ready", ['"tcp"', '"http://localhost:5556/health?full=1"', '["adb", "get-state"]'])
def test_ready_in_its_three_forms(ready: str) -> None:
    (service,) = parse(table(LEAST, f"ready = {ready}")).services.values()
    assert service.ready == (("adb", "get-state") if ready.startswith("[") else ready.strip('"'))


@pytest.mark.parametrize(
    ("lines", "line", "told"),
    [
        ((LEAST, "prot = 1"), 3, "did you mean 'port'?"),
        ((LEAST, 'roles = ["scorer"]'), 3, "unknown key 'roles' in [services.emulator]"),
        ((LEAST, 'paths = ["a"]'), 3, "it belongs to [candidate]"),
        (("port = 5555",), 0, "the key 'command' is missing in [services.emulator]"),
        (('command = "emulator"', "port = 5555"), 1, "must be a list"),
        (('command = ["emulator"]', "port = 80"), 2, "greater than or equal to 1024"),
        (('command = ["emulator"]', "port = 65536"), 2, "less than or equal to 65535"),
        (('command = ["emulator"]', "port = true"), 2, "must be a whole number"),
        ((LEAST, 'ready = "https://127.0.0.1/"'), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = "http://example.com/"'), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = "http://me@127.0.0.1/"'), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = "http://127.0.0.1/a b"'), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = "http://127.0.0.1:99999/"'), 3, "services.emulator.ready: must be"),
        ((LEAST, "ready = []"), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = ["adb", 1]'), 3, "services.emulator.ready: must be"),
        ((LEAST, 'ready = [" "]'), 3, "a command names a program first"),
        ((LEAST, 'timeout = "0s"'), 3, "greater than 0"),
        ((LEAST, "for = []"), 3, "must not be empty"),
        ((LEAST, 'for = ["scorer", "scorer"]'), 3, "given twice"),
        ((LEAST, 'for = ["reviewer"]'), 3, "must be 'candidate' or 'scorer' or 'proposer'"),
        ((LEAST, 'env = ["A=secret"]'), 3, "do not write its value"),
        ((LEAST, 'restart = "trail"'), 3, "did you mean 'trial'?"),
        ((LEAST, 'for = ["candidate", "scorer"]'), 3, 'set restart = "trial"'),
        (('command = ["python", "./train.py"]', "port = 5555"), 1, "must not run on the host"),
        ((LEAST, 'ready = ["python", "train.py"]'), 3, "must not run on the host"),
    ],
)
def test_a_wrong_table(faults: Faults, lines: tuple[str, ...], line: int, told: str) -> None:
    (fault,) = faults(table(*lines))
    assert told in fault
    assert fault.startswith(f"lab.toml:{FIRST + line}: ")


@pytest.mark.parametrize("name", ["Emulator", "1st", "a-b", '"a b"', '""', "a" * 31])
def test_a_wrong_name(faults: Faults, name: str) -> None:
    (fault,) = faults(table(LEAST, name=name))
    assert "a service's name has 1 to 30 characters" in fault
    assert fault.startswith(f"lab.toml:{FIRST}: ")


def test_faults_between_services(faults: Faults) -> None:
    found = faults(table(LEAST, f"[services.second]\n{LEAST}"))
    assert [fault.split(": ")[1] for fault in found] == ["services.emulator.port", "services.second.port"]
    (fault,) = faults(table(LEAST).replace('kind = "auto"', 'require = ["network_none"]'))
    assert "network_none cannot hold with services.emulator" in fault
    assert parse(table(LEAST, 'for = ["proposer"]').replace('kind = "auto"', 'require = ["network_none"]'))


def test_a_warm_interpreter_has_no_service(faults: Faults) -> None:
    warm = table(LEAST).replace("network = []", 'warm = ["json"]')
    (fault,) = faults(warm)
    assert "candidate.warm: cannot be had together with services.emulator" in fault
    assert parse(warm.replace(LEAST, f'{LEAST}\nfor = ["scorer"]'))


def test_no_tables_at_all(faults: Faults) -> None:
    (fault,) = faults(f"{VALID}\n[services]\nport = 5555\n")
    assert "services.port: must be a table" in fault
    (fault,) = faults(f"services = 5\n{VALID}")
    assert "services: must be a table" in fault


VALUES = st.recursive(
    st.one_of(
        st.booleans(), st.integers(-5, 70_000), st.text(max_size=5), st.sampled_from(["tcp", "train.py"])
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(["command", "port", "ready", "timeout", "for", "env", "restart", "x"])


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        escaped = "".join(f"\\U{ord(c):08X}" for c in value if not 0xD800 <= ord(c) < 0xE000)
        return f'"{escaped}"'
    return str(value)


@given(st.dictionaries(KEYS, VALUES))
def test_any_table_is_taken_or_refused_by_line(values: dict[str, object]) -> None:
    try:
        config = parse(table(*(f"{key} = {toml(value)}" for key, value in values.items())))
    except ConfigError as error:
        assert error.faults
        assert all(fault.startswith("lab.toml:") for fault in error.faults)
    else:
        assert set(config.services) == {"emulator"}
