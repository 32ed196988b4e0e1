"""Secrets in every spelling, what is no secret, and a whole campaign that meets one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.redaction import MARK, Redactor
from tests.campaign.conftest import iterate, lock
from tests.conftest import git

SECRET = "correct horse/battery+staple"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83v==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY",
        "GITHUB_TOKEN",
        "DB_PASSWORD",
        "MY_SECRET_VALUE",
        "PGPASSWORD",
        "aws_secret_access_key",
    ],
)
@pytest.mark.parametrize(
    "spelling",
    [
        str,
        lambda text: quote(text, safe=""),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    ],
)
def test_a_value_is_found_in_every_spelling(name: str, spelling: Callable[[str], str]) -> None:
    redactor = Redactor({name: SECRET})
    assert redactor.text(f"before {spelling(SECRET)} after").replace("=", "") == f"before {MARK} after"


@pytest.mark.parametrize(
    "token",
    [
        "sk-ant-api03-" + "a1B2" * 10,
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 10,
        "glpat-" + "a1B2" * 5,
        "xoxb-1234567890-abcdef",
        "AKIA" + "A1B2" * 4,
        "AIza" + "a1B2_" * 7,
        "hf_" + "a1B2" * 9,
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK",
        PEM,
        PEM.replace("\n", "\\n"),
    ],
)
def test_a_token_is_known_by_its_form(token: str) -> None:
    assert Redactor({}).text(f"x={token}, y") == f"x={MARK}, y"


def test_a_password_in_a_url_goes_and_the_host_stays() -> None:
    said = Redactor({}).text("fatal: https://ada:hunter2secret@example.org/lab.git: 403")
    assert said == f"fatal: https://{MARK}@example.org/lab.git: 403"


@pytest.mark.parametrize(
    "text",
    [
        "loss 0.123 at key 7, tokens 4096",
        "see https://example.org:8080/a@b",
        "task-is-a-risk-averse-desk-12345678901234567890",
        "commit e31b2968970e0f3c",
        "true",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor({"USE_TOKEN": "true", "PATH": "commit e31b", "HOME": "/root"}).text(text) == text


def test_a_variable_can_be_named() -> None:
    assert Redactor({"LAUNCH_CODE": "0000"}, ["LAUNCH_CODE"]).text("it is 0000") == f"it is {MARK}"
    assert Redactor({"LAUNCH_CODE": ""}, ["LAUNCH_CODE"]).text("it is 0000") == "it is 0000"


def test_the_longest_secret_wins() -> None:
    redactor = Redactor({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefghijkl"})
    assert redactor.text("abcdefghijkl abcdefgh") == f"{MARK} {MARK}"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_other_bytes_stay_as_they_are(before: bytes, after: bytes) -> None:
    redactor = Redactor({"A_TOKEN": "tr0ub4dor&3"})
    said = redactor.data(before + b" tr0ub4dor&3 " + after)
    assert b"tr0ub4dor&3" not in said
    assert said == redactor.data(before + b" ") + MARK.encode() + redactor.data(b" " + after)


@pytest.mark.parametrize(
    "piece", ["eyJ-", "eyJaaaaaaaa.", "sk-", "://a", "-----BEGIN PRIVATE KEY-----", "://a:b"]
)
def test_hostile_text_is_read_in_one_go(piece: str) -> None:
    # Quadratic work on a mebibyte would take hours.
    Redactor({"A_TOKEN": "tr0ub4dor&3"}).text(piece * ((1 << 20) // len(piece)))


async def test_a_campaign_keeps_no_secret_anywhere(
    home: Path, make_lab: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_API_KEY", SECRET)
    folder = make_lab()
    program = folder / "candidate.py"
    baseline = (folder / "point.json").read_text()
    program.write_text(
        f"import pathlib, sys\nprint({SECRET!r})\n"
        f"if pathlib.Path('point.json').read_text() != {baseline!r}: sys.exit({SECRET!r})\n"
        + program.read_text()
    )
    git(folder, "commit", "-qam", "Speak, and crash on every idea")
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        records = [record async for record in iterate(campaign)]
    assert [record.verdict for record in records] == ["crashed", "crashed"]
    assert all(MARK in record.reason and SECRET not in record.reason for record in records)
    evidence = [path.read_text() for path in home.rglob("evidence/*/*") if path.is_file()]
    assert any(MARK in text for text in evidence)
    assert not [text for text in evidence if SECRET in text]
