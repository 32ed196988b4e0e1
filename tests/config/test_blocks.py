"""Settings that stand in Prefect blocks, as far as `lab.toml` is concerned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.config import Config, load, parse
from lab_plugin.errors import ConfigError
from tests.config.conftest import VALID

BASE = VALID.replace('[sandbox]\nkind = "auto"\n', "")
LINE = BASE.count("\n") + 1
DIGEST = "0123456789abcdef" * 4
BOX = {"docker-sandbox/box": {"kind": "docker", "image": "lab:1", "require": ["network_none"]}}


def named(table: str, name: str, *further: str) -> str:
    return "\n".join((f"{BASE}[{table}]", f'block = "{name}"', *further, ""))


def refused(text: str, blocks: dict[str, dict[str, Any]] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text, blocks=blocks)
    return caught.value.faults


def test_what_a_block_says_is_as_if_it_stood_there() -> None:
    inline = f'{BASE}[sandbox]\nkind = "docker"\nimage = "lab:1"\nrequire = ["network_none"]\n'
    config = parse(named("sandbox", "docker-sandbox/box"), blocks=BOX)
    assert config.sandbox == parse(inline).sandbox
    assert config.scoring_rules() == parse(inline).scoring_rules()
    assert (config.blocks, config.unresolved()) == (BOX, ())
    assert config.block_names("sandbox") == ("docker-sandbox/box",)


def test_a_block_that_is_not_known_leaves_defaults_and_is_told() -> None:
    config = parse(named("sandbox", "docker-sandbox/box", 'python = "/env/python"'))
    assert (config.sandbox.kind, config.sandbox.image) == ("docker", None)
    assert config.sandbox.python == "/env/python"
    assert config.unresolved() == config.unresolved("sandbox") == ("docker-sandbox/box",)
    assert (config.unresolved("tracking"), config.blocks) == ((), {})


SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "image": st.just("lab:1"),
    "python": st.sampled_from(["/a/python", "python3"]),
    "require": st.lists(st.sampled_from(["network_none", "seccomp"]), unique=True),
}


@settings(max_examples=30, deadline=None)
@given(st.fixed_dictionaries({}, optional=SETTINGS), st.sets(st.sampled_from(sorted(SETTINGS))))
def test_settings_may_stand_on_either_side_and_on_one(given_: dict[str, Any], inline: set[str]) -> None:
    def lines(keys: set[str]) -> list[str]:
        return [f"{key} = {given_[key]!r}" for key in sorted(keys & given_.keys())]

    whole = parse("\n".join((f"{BASE}[sandbox]", 'kind = "docker"', *lines(set(SETTINGS)), "")))
    block = {"docker-sandbox/box": {key: value for key, value in given_.items() if key not in inline}}
    text = named("sandbox", "docker-sandbox/box", *lines(inline))
    assert parse(text, blocks=block).sandbox == whole.sandbox
    for key in given_.keys() & inline:
        twice = {"docker-sandbox/box": {**block["docker-sandbox/box"], key: given_[key]}}
        (fault,) = refused(text, twice)
        assert fault.endswith('the block "docker-sandbox/box" gives it too; give it in one place')
        assert f": sandbox.{key}: " in fault


@pytest.mark.parametrize(
    ("text", "blocks", "line", "told"),
    [
        (named("sandbox", "docker-sandbox/box", 'kind = "docker"'), BOX, 2, "sandbox.kind: the block"),
        (named("sandbox", "mlflow-tracking/team"), {}, 1, 'the type "mlflow-tracking" gives no settings of'),
        (named("sandbox", "box"), {}, 1, "names a Prefect block as bubblewrap-sandbox/NAME or docker-"),
        (named("sandbox", "docker-sandbox/a b"), {}, 1, "names a Prefect block as"),
        (BASE + "[sandbox]\nblock = 3\n", {}, 1, "names a Prefect block as"),
        (BASE + '[budget2]\nblock = "x"\n', {}, 0, "unknown table or key 'budget2'"),
        (BASE + "[sandbox]\nblok = 3\n", {}, 1, "did you mean 'block'?"),
        (
            named("sandbox", "docker-sandbox/box"),
            {"docker-sandbox/box": {"require": ["nothing"]}},
            1,
            '"nothing" is no guarantee',
        ),
        (
            named("sandbox", "docker-sandbox/box"),
            {"docker-sandbox/box": {"later": 1}},
            1,
            "unknown key 'later' in [sandbox]",
        ),
        (
            named("sandbox", "docker-sandbox/box", 'dockerfile = "image/Dockerfile"'),
            BOX,
            2,
            "sandbox.image is given too",
        ),
        (
            named("tracking", "mlflow-tracking/t"),
            {"mlflow-tracking/t": {"uri": "x"}},
            1,
            "tracking.uri: must be",
        ),
        (named("lock", "scorer-lock/l"), {"scorer-lock/l": {"digest": "ff"}}, 1, "64 hexadecimal digits"),
    ],
)
def test_faults(text: str, blocks: dict[str, dict[str, Any]], line: int, told: str) -> None:
    (fault,) = refused(text, blocks)
    assert fault.startswith(f"lab.toml:{LINE + line}: ")
    assert told in fault
    from_block = line == 1 and bool(blocks)
    assert (
        fault.endswith(" (by the block " + next(iter(blocks)) + ")" if from_block else "") or not from_block
    )


TIERS = """
[tiers.proxy]
seeds = 1
promote = { quantile = 0.5 }
[tiers.proxy.sandbox]
block = "bubblewrap-sandbox/small"
[tiers.final]
seeds = 1
"""


def test_a_tier_has_a_block_of_its_own() -> None:
    text = named("sandbox", "docker-sandbox/box") + TIERS
    small = {"bubblewrap-sandbox/small": {"require": ["seccomp"]}}
    config = parse(text, blocks={**BOX, **small})
    proxy, final = (tier.config for tier in config.tiers)
    assert (proxy.sandbox.kind, proxy.sandbox.image, proxy.sandbox.require) == (
        "bubblewrap",
        None,
        ("seccomp",),
    )
    assert (final.sandbox.kind, final.sandbox.image) == ("docker", "lab:1")
    assert config.block_names("sandbox") == ("docker-sandbox/box", "bubblewrap-sandbox/small")
    assert parse(text, blocks=BOX).unresolved("sandbox") == ("bubblewrap-sandbox/small",)
    (fault,) = refused(text, {**BOX, "bubblewrap-sandbox/small": {"require": ["nothing"]}})
    line = text[: text.index("bubblewrap-sandbox/small")].count("\n") + 1
    assert fault.startswith(f"lab.toml:{line}: tiers.proxy: ")
    assert fault.endswith(" (by the block bubblewrap-sandbox/small)")


def test_tracking_and_the_lock_are_no_part_of_the_rules(tmp_path: Path) -> None:
    text = f'{VALID}[lock]\ndigest = "{DIGEST}"\n[tracking]\nuri = "https://mlflow.example.org"\n'
    text += 'username = "ada"\n'
    (tmp_path / "lab.toml").write_text(text)
    config: Config = load(tmp_path / "lab.toml")
    assert (config.tracking.username, config.lock.digest) == ("ada", DIGEST)
    assert config.scoring_rules() == parse(VALID).scoring_rules()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('[tracking]\nuri = "https://ada:geheim@mlflow.example.org"', "must not hold a password"),
        ('[tracking]\nuri = "mlruns"', "must be an address with its scheme"),
        ('[tracking]\nuri = "sqlite:///mlflow.db"', "absolute path"),
        ('[tracking]\nartifacts = "s3://bucket"', "give its uri too"),
        ('[tracking]\nuri = "sqlite:////m.db"\nusername = "ada"', "knows a username"),
        ("[lock]\nepoch = 2", "give its digest too"),
        ('[lock]\ndigest = "0123"', "64 hexadecimal digits"),
    ],
)
def test_faults_of_the_tables(faults: Callable[[str], tuple[str, ...]], lines: str, told: str) -> None:
    (fault,) = faults(f"{VALID}{lines}\n")
    assert told in fault
    assert "geheim" not in fault
