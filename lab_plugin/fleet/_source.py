"""What a worker clones to run a lab: the repository's address and branch, proven to hold what it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from lab_plugin.config import LAB_FILE, LOCK_FILE
from lab_plugin.errors import ConfigError, LabError, RemoteError, RepositoryError
from lab_plugin.fleet._wanted import Wanted
from lab_plugin.lab import Lab
from lab_plugin.repository import AccessToken, Remote, Repository, shown_address

_ORIGIN = "origin"


@dataclass(frozen=True)
class Source:
    """A lab in a repository that workers can clone.

    Attributes:
        repository: URL, `host:path` of SSH, or absolute path.
        branch: The branch that is cloned.
        remote: What a clone calls the repository, so that `[lab] remote` names it there too.
        folder: The lab's folder in it; "." for its root.
        token: What stands for the token that lets git in; "" where the worker's git gets in.
        warnings: What a clone will not have, one sentence each.
    """

    repository: str
    branch: str
    remote: str
    folder: str
    token: str = ""
    warnings: tuple[str, ...] = ()


def source_of(lab: Lab, wanted: Wanted) -> Source:
    """What workers clone for a lab.

    Args:
        lab: The lab.
        wanted: What is said of it.

    Raises:
        RepositoryError: `lab.toml` or `lab.lock` is not committed, or no branch is checked out, nor given.
        RemoteError: There is no such remote, it cannot be reached, or it has no such branch.
        LabError: The lab is not shared through the remote, or the address holds a password.
    """
    _require_committed(lab)
    named = lab.config.lab.remote
    if named is None:
        raise LabError(
            f"The lab {lab.name} is not shared: its clones on workers would know nothing of its verdicts, "
            "nor of its lock.",
            'Set `remote = "origin"` under [lab] in lab.toml, commit and push; `lab sync` then shares them.',
        )
    remotes = lab.repository.remotes()
    remote = named if named in remotes else _ORIGIN
    address = _address(lab, wanted.repository, named if not wanted.repository else "")
    _refuse_secret(address.address)
    _require_folder(lab, wanted.folder)
    if wanted.token:
        address = replace(address, token=AccessToken(address.address, wanted.token))
    branch = wanted.branch or _checked_out(lab.repository)
    missing = _missing(lab, address, branch)
    return Source(
        address.address,
        branch,
        remote,
        lab.directory,
        wanted.token_reference if wanted.token else "",
        missing,
    )


def _require_committed(lab: Lab) -> None:
    tree = lab.repository.tree_of(lab.repository.head())
    folder = lab.repository.subtree(tree, lab.directory)
    committed = lab.repository.folder(folder) if folder is not None else {}
    for name in (LAB_FILE, LOCK_FILE):
        path, file = lab.path(name), lab.config.folder / name
        if name not in committed:
            raise RepositoryError(
                f"{path} is not in HEAD, so a clone would lack it.",
                f"{f'`git add {path}`' if file.exists() else '`lab lock`'}, commit and push.",
            )
        if not file.exists() or lab.repository.read_file(tree, path) != file.read_bytes():
            raise RepositoryError(
                f"{path} has changes that are not committed: a clone would have the old one.",
                f"`git add {path}`, commit and push.",
            )


def _address(lab: Lab, given: str, named: str) -> Remote:
    wanted = given or named
    remotes = lab.repository.remotes()
    if not given and named not in remotes and "://" not in named and not Path(named).is_absolute():
        if "/" in named and ":" not in named:
            raise RemoteError(
                f'[lab] remote is the path "{named}", which is another folder in each clone.',
                "Make it absolute, or the name of a git remote: `git remote add shared PATH`.",
            )
        if ":" in named:
            return lab.repository.remote(named)
        known = f"It has {', '.join(remotes)}." if remotes else "It has none."
        raise RemoteError(
            f'The repository has no remote "{named}", which [lab] remote names. {known}',
            f"`git remote add {named} URL`, or give `--repository URL`.",
        )
    base = Path.cwd() if given else lab.config.folder
    return lab.repository.remote(wanted, base=base)


def _refuse_secret(address: str) -> None:
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and (parts.password or (parts.username and parts.scheme.startswith("http"))):
        raise LabError(
            f"The address {shown_address(address)} holds a password or token: whoever reaches the Prefect "
            "API could read it in the deployment.",
            "Give one without, by --repository, and let git on the workers find the password: a credential "
            "helper, or an SSH key.",
        )


def _require_folder(lab: Lab, folder: str) -> None:
    if folder and PurePosixPath(folder.strip("/")) != PurePosixPath(lab.directory):
        raise ConfigError(
            f'The block says that the lab lies in the folder "{folder}" of its repository; '
            f'here it lies in "{lab.directory}".',
            "Correct the folder in the block, or leave it empty there.",
        )


def _checked_out(repository: Repository) -> str:
    branch = repository.branch()
    if branch is None:
        raise RepositoryError(
            "No branch is checked out (HEAD is detached), so there is none for workers to clone.",
            "Name one: `--branch main`.",
        )
    return branch


def _missing(lab: Lab, remote: Remote, branch: str) -> tuple[str, ...]:
    """What the remote lacks of what is committed here; a branch that it lacks is an error."""
    ref = f"refs/heads/{branch}"
    ledger = f"refs/lab/{lab.name}/ledger"
    there = remote.refs(ref, ledger)
    if ref not in there:
        raise RemoteError(
            f'{remote.shown} has no branch "{branch}", so workers could not clone it.',
            f"`git push -u {lab.config.lab.remote} {branch}`",
        )
    warnings = []
    if (here := lab.repository.ref(ref)) is not None and there[ref] != here:
        warnings.append(
            f"{remote.shown} has another commit of {branch} ({there[ref][:12]}) than this repository "
            f"({here[:12]}); workers run what it has."
        )
    if ledger not in there:
        warnings.append(
            f"{remote.shown} has no ledger of {lab.name} yet: `lab sync` shares the lock and the verdicts."
        )
    return tuple(warnings)
