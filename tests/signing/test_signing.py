"""Signatures: made and checked as git makes and checks them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab_plugin.errors import SigningError
from lab_plugin.signing import Signer, Verifier, open_signer, read_settings
from tests.signing.conftest import configure, make_key

DATA = b"some bytes\n"


def signer() -> Signer:
    found = open_signer(Path("/"))
    assert found is not None
    return found


def verifier() -> Verifier:
    return Verifier(read_settings(Path("/")))


def test_nobody_signs_unless_git_does(user: Path) -> None:
    assert open_signer(Path("/")) is None
    configure(commit__gpgSign="off")
    assert open_signer(Path("/")) is None
    configure(commit__gpgSign="1")
    assert open_signer(Path("/")) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("commit__gpgSign", "perhaps"), ("gpg__format", "wax"), ("gpg__minTrustLevel", "some")],
)
def test_values_that_git_does_not_know(user: Path, name: str, value: str) -> None:
    configure(**{name: value})
    with pytest.raises(SigningError, match=value) as raised:
        read_settings(Path("/"))
    assert raised.value.remedy


def test_ssh_there_and_back(ssh_user: Path) -> None:
    signature = signer().sign(DATA)
    good = verifier().check(DATA, signature)
    assert (good.status, good.signer, good.why) == ("good", "ada@localhost", "")
    assert verifier().check(DATA + b".", signature).status == "bad"
    again = verifier()
    assert [again.check(DATA, signature).status for _ in range(2)] == ["good", "good"]
    assert again.check(b"", signature).status == "bad"


def test_ssh_keys_that_are_not_believed(ssh_user: Path) -> None:
    public = make_key(ssh_user / "other")
    configure(user__signingKey="~/other")
    signature = signer().sign(DATA)
    found = verifier().check(DATA, signature)
    assert found.status == "untrusted" and "SHA256:" in found.signer
    assert verifier().check(b"other", signature).status == "bad"
    allowed = ssh_user / "allowed"
    allowed.write_text(f'eve@localhost valid-before="20200101" {public}\n')
    assert verifier().check(DATA, signature, datetime(2026, 1, 1, tzinfo=UTC)).status == "untrusted"
    assert verifier().check(DATA, signature, datetime(2019, 1, 1, tzinfo=UTC)).status == "good"
    allowed.write_text(f"eve@localhost {public}\n")
    (ssh_user / "revoked").write_text(f"{public}\n")
    configure(gpg_ssh__revocationFile="~/revoked")
    assert verifier().check(DATA, signature).status == "untrusted"


def test_without_allowed_signers_only_the_own_key_counts(ssh_user: Path) -> None:
    signature = signer().sign(DATA)
    subprocess.run(
        ["git", "config", "--global", "--unset", "gpg.ssh.allowedSignersFile"], check=True, cwd="/"
    )
    assert verifier().check(DATA, signature).signer == "your-own-key"
    make_key(ssh_user / "other")
    configure(user__signingKey=str(ssh_user / "other"))
    assert verifier().check(DATA, signature).status == "untrusted"
    configure(user__signingKey=str(ssh_user / "gone"))
    found = verifier().check(DATA, signature)
    assert found.status == "unchecked" and "allowedSignersFile" in found.why


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "text",
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAf////8=\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAAA=\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_what_is_no_signature(ssh_user: Path, signature: str) -> None:
    assert verifier().check(DATA, signature).status == "bad"


def test_a_key_that_is_not_there(ssh_user: Path) -> None:
    configure(user__signingKey="~/gone")
    with pytest.raises(SigningError, match="did not sign with the key '~/gone'") as raised:
        signer().sign(DATA)
    assert "user.signingKey" in raised.value.remedy
    subprocess.run(["git", "config", "--global", "--unset", "user.signingKey"], check=True, cwd="/")
    with pytest.raises(SigningError, match="no key is named"):
        signer().sign(DATA)
    configure(gpg_ssh__defaultKeyCommand="cat ~/key.pub", gpg_ssh__program="/nonexistent/ssh-keygen")
    with pytest.raises(SigningError, match="/nonexistent/ssh-keygen was not found"):
        signer().sign(DATA)
    assert verifier().check(DATA, "-----BEGIN PGP SIGNATURE-----\n").status in ("bad", "unchecked")


def test_a_program_sees_no_secret_and_may_lie(ssh_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = ssh_user / "program"
    seen = ssh_user / "seen"
    program.write_text(f'#!/bin/sh\nenv > {seen}\necho no armor > "$8".sig\n')
    program.chmod(0o755)
    configure(gpg_ssh__program=str(program))
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2hunter2")
    with pytest.raises(SigningError):
        signer().sign(DATA)
    text = seen.read_text()
    assert f"HOME={os.environ['HOME']}" in text and "hunter2" not in text


def forget(folder: Path) -> None:
    """Remove the folder of an agent, which may take its sockets away itself while it ends."""
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def gpg_user(user: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg")
    # The socket of gpg-agent has a short path at most.
    folder = Path(f"/tmp/lab-gpg-{os.getpid()}")
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(folder))
    command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Ada <ada@localhost>"]
    subprocess.run([*command, "ed25519", "sign"], check=True, capture_output=True)
    configure(commit__gpgSign="true")
    yield user
    forget(folder)


def test_openpgp_there_and_back(gpg_user: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    signature = signer().sign(DATA)
    good = verifier().check(DATA, signature)
    assert good.status == "good" and "ada@localhost" in good.signer
    assert verifier().check(b"other", signature).status == "bad"
    assert verifier().check(DATA, signature + signature).status == "bad"
    configure(user__signingKey="nobody@localhost")
    with pytest.raises(SigningError, match="nobody@localhost"):
        signer().sign(DATA)
    stranger = Path(f"/tmp/lab-gpg-{os.getpid()}-2")
    stranger.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(stranger))
    try:
        found = verifier().check(DATA, signature)
        assert found.status == "unchecked" and "not among yours" in found.why
    finally:
        forget(stranger)
