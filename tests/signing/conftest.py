"""Users whose git signs, each with keys and a home of their own."""

import shutil
import subprocess
from pathlib import Path

import pytest


def configure(**values: str) -> None:
    """Write the user's own git configuration."""
    for name, value in values.items():
        section, _, key = name.partition("__")
        subprocess.run(
            ["git", "config", "--global", f"{section.replace('_', '.')}.{key}", value], check=True, cwd="/"
        )


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home."""
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    configure(user__name="Ada", user__email="ada@localhost")
    return home


def make_key(path: Path) -> str:
    """Make an SSH key without a passphrase; returns the public one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)], check=True)
    return Path(f"{path}.pub").read_text().strip()


@pytest.fixture
def ssh_user(user: Path) -> Path:
    """One who signs with an SSH key, and believes it by name."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (Debian: openssh-client)")
    public = make_key(user / "key")
    (user / "allowed").write_text(f'ada@localhost namespaces="git" {public}\n')
    configure(
        gpg__format="ssh", user__signingKey="~/key", commit__gpgSign="true",
        gpg_ssh__allowedSignersFile="~/allowed",
    )  # fmt: skip
    return user
