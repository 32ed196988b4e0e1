"""Attestations: made from the ledger, and whatever else is handed in instead."""

import base64
import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.attestation import (
    AttestationCheck,
    attest,
    check_attestation,
    parse_attestation,
    read_attestation,
)
from lab_plugin.errors import AttestationError, LabError, LedgerError
from lab_plugin.lab import Lab
from lab_plugin.repository import RefChange
from tests.conftest import git
from tests.signing.conftest import configure, make_key
from tests.verification.test_ledger import opened, rewrite

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def checked(data: bytes, lab: Lab | None) -> AttestationCheck:
    return check_attestation(parse_attestation(data, "a.json"), lab)


def test_what_it_says(kept: Path) -> None:
    with opened(kept) as lab:
        data, signed = attest(lab, "best")
        again, _ = attest(lab, "best")
        record = lab.ledger.state().ideas[json.loads(data)["predicate"]["idea"]["number"]]
        assert not signed and data == again and data.isascii()
        found = checked(data, lab)
    assert found.ok and found.proved_by == ("repository",) and found.signature is None
    document = json.loads(data)
    assert set(document) == {"_type", "subject", "predicateType", "predicate"}
    assert [item["digest"] for item in document["subject"]] == [
        {"gitCommit": record.commit},
        {"gitTree": record.tree},
    ]
    predicate = document["predicate"]
    assert predicate["score"]["value"] == record.value and predicate["score"]["metric"] == "value"
    assert predicate["epoch"]["digest"] == record.digest
    assert predicate["terms"]["rules"]["scorer"]["command"][-1] == "scorer/score.py"
    assert "distributions" in predicate["terms"]["environment"]
    assert predicate["terms"]["data"] == {"data.json": predicate["terms"]["data"]["data.json"]}
    assert "verified_end" in predicate["score"]["guarantees"] or predicate["score"]["guarantees"]


def test_only_what_was_kept_and_verifies(kept: Path) -> None:
    with opened(kept) as lab:
        other = next(item.number for item in lab.ledger.state().ideas.values() if item.verdict != "kept")
        with pytest.raises(AttestationError, match="was not kept"):
            attest(lab, str(other))
        with pytest.raises(LabError, match="No idea"):
            attest(lab, "99")
        rewrite(lab, 3, {"strategy": "other"})
        with pytest.raises(LedgerError, match="does not verify"):
            attest(lab, "best")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def edited(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() if len(value) in (40, 64):
            return ("1" if value[0] == "0" else "0") + value[1:]
        case str():
            return value + "x"
        case None:
            return 5
        case _:
            return {"a": "b"} if isinstance(value, dict) else ["a"]


@pytest.fixture(scope="module")
def statement(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_LAB_HOME", str(tmp_path_factory.mktemp("home")))
        with opened(template) as lab:
            return dict(json.loads(attest(lab, "best")[0]))


DECIDED = ("predicate", "verdict")


@given(data=st.data())
@EXAMPLES
def test_any_edit_is_named(kept: Path, statement: dict[str, Any], data: st.DataObject) -> None:
    paths = leaves(statement)
    # The environment's many names are all alike.
    some = [path for path in paths if "distributions" not in path and "content" not in path]
    path = data.draw(st.one_of(st.sampled_from(some), st.sampled_from(paths)))
    document = copy.deepcopy(statement)
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    old = holder[path[-1]]
    match data.draw(st.sampled_from(["edit", "remove", "add"])):
        case "edit":
            holder[path[-1]] = edited(old)
        case "remove":
            del holder[path[-1]]
        case "add":
            target = holder if isinstance(holder, dict) else document["predicate"]
            target["another"] = 1
    with opened(kept) as lab:
        try:
            attestation = parse_attestation(json.dumps(document).encode(), "a.json")
        except AttestationError as error:
            assert error.remedy and "a.json is" in error.message
            return
        if attestation.statement.to_json() == statement:
            # What was left out is there when nothing is said.
            assert path[-1] in ("holdout", "holdout_data", "tiers") or path[:3] == (*DECIDED, "comparison")
            return
        found = check_attestation(attestation, lab)
    assert not found.ok and found.mismatches
    assert all(mismatch.remedy for mismatch in found.mismatches)


def test_alone_it_needs_a_signature(statement: dict[str, Any], ssh_user: Path, kept: Path) -> None:
    plain = json.dumps(statement).encode()
    assert not checked(plain, None).ok and checked(plain, None).mismatches == ()
    with opened(kept) as lab:
        data, signed = attest(lab, "best")
        both = checked(data, lab)
    assert signed and both.ok and both.proved_by == ("repository", "signature")
    alone = checked(data, None)
    assert alone.ok and alone.proved_by == ("signature",)
    assert alone.signature is not None and alone.signature.signer == "ada@localhost"
    envelope = json.loads(data)
    payload = base64.b64decode(envelope["payload"])
    forged = payload.replace(b'"tier": "final"', b'"tier": "proxy"')
    assert forged != payload
    envelope["payload"] = base64.b64encode(forged).decode()
    bad = checked(json.dumps(envelope).encode(), None)
    assert not bad.ok and "its signature is bad" in str(bad.mismatches[0])
    make_key(ssh_user / "eve")
    configure(user__signingKey="~/eve")
    with opened(kept) as lab:
        eve = attest(lab, "best")[0]
    assert "its signature is untrusted" in str(checked(eve, None).mismatches[0])
    (ssh_user / "allowed").unlink()
    unknown = checked(data, None)
    assert not unknown.ok and unknown.mismatches == () and unknown.proved_by == ()


def test_a_value_that_its_own_numbers_deny(statement: dict[str, Any]) -> None:
    document = copy.deepcopy(statement)
    document["predicate"]["score"]["value"] = 0.0
    paths = {mismatch.what for mismatch in checked(json.dumps(document).encode(), None).mismatches}
    assert paths == {"predicate.score.value", "predicate.verdict.difference"}
    document = copy.deepcopy(statement)
    document["predicate"]["terms"]["rules"]["decision"]["min_improvement"] = 1e9
    found = {mismatch.what: mismatch for mismatch in checked(json.dumps(document).encode(), None).mismatches}
    assert set(found) == {"predicate.epoch.digest", "predicate.verdict.word"}
    assert (found["predicate.verdict.word"].expected, found["predicate.verdict.word"].found) == (
        "'reverted'",
        "'kept'",
    )


def test_a_repository_of_something_else(kept: Path, statement: dict[str, Any]) -> None:
    data = json.dumps(statement).encode()
    with opened(kept) as lab:
        commits = lab.repository.first_parent_ids(lab.ledger.head() or "")
        lab.repository.update_refs([RefChange(lab.ledger.ref, commits[-2])])
    with opened(kept) as lab:
        behind = checked(data, lab)
        assert any("has no verdict of idea" in str(item) for item in behind.mismatches)
        assert any("git fetch" in item.remedy for item in behind.mismatches)
    text = (kept / "lab.toml").read_text().replace('name = "rosenbrock"', 'name = "other"')
    (kept / "lab.toml").write_text(text)
    with opened(kept) as lab:
        [mismatch] = checked(data, lab).mismatches
    assert (mismatch.what, mismatch.expected, mismatch.found) == (
        "predicate.lab.name",
        "'other'",
        "'rosenbrock'",
    )


def envelope(**fields: Any) -> bytes:
    values = {
        "payload": base64.b64encode(b"{}").decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": base64.b64encode(b"x").decode()}],
    }
    return json.dumps({**values, **fields}).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"{}", "_type"),
        (b"\xff\xfe", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"_type": 1, "_type": 2}', "'_type' stands twice"),
        (b'{"_type": "\x1b[2J"}', "not JSON"),
        (b'{"_type": "\\u001b[2J"}', "_type"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b" " * ((16 << 20) + 1), "larger than 16 MiB"),
        (b'{"_type": "https://in-toto.io/Statement/v0.1"}', "_type"),
        (envelope(payload=1), "payload is not base64"),
        (envelope(payload="!"), "payload is not base64"),
        (envelope(payload="\u00e9"), "payload is not base64"),
        (envelope(payloadType="text"), "an envelope has exactly"),
        (envelope(more=1), "an envelope has exactly"),
        (envelope(signatures=[]), "exactly one signature"),
        (envelope(signatures=[{"sig": "eA=="}] * 2), "exactly one signature"),
        (envelope(signatures=["eA=="]), "exactly one signature"),
        (envelope(signatures=[{"sig": "eA==", "keyid": "k"}]), "the key 'sig'"),
        (envelope(signatures=[{"sig": base64.b64encode(b"\xff").decode()}]), "not armored"),
        (envelope(), "payload is no attestation: its _type"),
    ],
)
def test_bad_input(data: bytes, why: str) -> None:
    with pytest.raises(AttestationError) as raised:
        parse_attestation(data, "a.json")
    assert why in raised.value.message and raised.value.remedy
    assert raised.value.message.isprintable()


def test_another_version_says_so(statement: dict[str, Any]) -> None:
    document = {**statement, "predicateType": "urn:prefect-lab:score:v2"}
    with pytest.raises(AttestationError, match="v2'; this version reads urn:prefect-lab:score:v1") as raised:
        parse_attestation(json.dumps(document).encode(), "a.json")
    assert "version of prefect-lab" in raised.value.remedy


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps(text).encode()))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(AttestationError):
        parse_attestation(data, "a.json")


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", ".", "missing", "a\0b"):
        with pytest.raises(AttestationError):
            read_attestation(tmp_path / name)


def test_anybody_can_check_the_signature_by_hand(kept: Path, ssh_user: Path, tmp_path: Path) -> None:
    with opened(kept) as lab:
        document = json.loads(attest(lab, "best")[0])
    payload = base64.b64decode(document["payload"])
    kind = document["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (tmp_path / "sig").write_bytes(base64.b64decode(document["signatures"][0]["sig"]))
    command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-f", str(ssh_user / "allowed")]
    command += ["-I", "ada@localhost", "-s", str(tmp_path / "sig")]
    subprocess.run(command, input=signed, check=True, capture_output=True)
    assert git(kept, "rev-parse", json.loads(payload)["predicate"]["ledger"]["commit"])
