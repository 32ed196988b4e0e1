"""The one place where the git program is started: a clean environment, fixed flags, no shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import RepositoryError

OLDEST = (2, 38)
TIMEOUT = 300.0

FLAGS = tuple(
    part
    for setting in (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.attributesFile=/dev/null",
        "core.logAllRefUpdates=false",
        "commit.gpgSign=false",
        "submodule.recurse=false",
        "protocol.ext.allow=never",
        "gc.auto=0",
        "maintenance.auto=false",
        # GIT_GRAFT_FILE below makes it speak up, at length and before what went wrong.
        "advice.graftFileDeprecated=false",
    )
    for part in ("-c", setting)
)

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
}


@dataclass(frozen=True)
class Result:
    """What one git process answered."""

    status: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True)
class Git:
    """Runs git on one repository, from inside its git folder, never from a working tree.

    Attributes:
        program: The git executable.
        git_dir: The (worktree's own) git folder.
        common_dir: The git folder shared by all worktrees.
    """

    program: str
    git_dir: Path
    common_dir: Path

    @property
    def flags(self) -> tuple[str, ...]:
        """What every call sets, whatever the repository's own configuration says."""
        return FLAGS

    def command(self, *arguments: str) -> list[str]:
        """The full argument list of a call."""
        return [self.program, f"--git-dir={self.git_dir}", *FLAGS, *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process that is spoken to through pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.common_dir,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C in the terminal must not end git between two steps of a transaction.
            start_new_session=True,
        )

    def attempt(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run to the end and return whatever came of it."""
        return _run(self.command(*arguments), self.common_dir, _environment(), stdin)

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run to the end.

        Raises:
            RepositoryError: git failed; its own words are in the message.
        """
        result = self.attempt(*arguments, stdin=stdin)
        if result.status != 0:
            raise failure(f"git {arguments[0]}", self.git_dir, result)
        return result.stdout

    def run_capped(self, *arguments: str, limit: int) -> tuple[bytes, bool]:
        """Run, but keep at most `limit` bytes of the output.

        Returns:
            The output, and whether something was cut off.
        """
        with self.start(*arguments) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            data = process.stdout.read(limit + 1)
            cut = len(data) > limit
            if cut:
                process.kill()
            process.stdout.close()
            status = process.wait()
        if status != 0 and not cut:
            raise RepositoryError(f"git {arguments[0]} failed in {self.git_dir} (exit status {status}).")
        return data[:limit], cut


def find_git() -> str:
    """Find a git program that is new enough.

    Raises:
        RepositoryError: There is none.
    """
    program = shutil.which("git")
    remedy = f"Install git {OLDEST[0]}.{OLDEST[1]} or newer."
    if program is None:
        raise RepositoryError("The git program was not found on the PATH.", remedy)
    text = _run([program, "version"], Path("/"), _environment(), b"").stdout.decode("ascii", "replace")
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise RepositoryError(
            f"{program} is too old: {text.strip() or 'it does not tell its version'}.", remedy
        )
    return program


def bare(program: str, folder: Path) -> Git:
    """A bare repository of the lab's own; made when it is missing.

    Raises:
        RepositoryError: It cannot be made.
    """
    if not (folder / "HEAD").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Under another name first: an init that is killed leaves locks behind, which every later one meets.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as new:
            _init(program, Path(new, "git"))
            # Refused where another process was there first.
            with suppress(OSError):
                os.rename(Path(new, "git"), folder)
    if not (folder / "HEAD").is_file():
        raise RepositoryError(f"{folder} is in the way of a repository of the lab's own.", "Move it away.")
    return Git(program, folder, folder)


def _init(program: str, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    options = ("--bare", "--quiet", "--template=", "--object-format=sha1", "--initial-branch=main")
    result = _run([program, *FLAGS, "init", *options, str(folder)], folder, _environment(), b"")
    if result.status != 0:
        raise failure("git init", folder, result)


def discover(program: str, path: Path) -> tuple[Git, Path]:
    """Find the repository that a folder lies in.

    The user's own global configuration is read here, and only here, for their `safe.directory`.

    Returns:
        The runner and the top folder of the working tree.

    Raises:
        RepositoryError: No repository, a bare one, or one in a format that is not supported.
    """
    environment = _environment()
    del environment["GIT_CONFIG_GLOBAL"], environment["HOME"]
    environment.update({name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ})

    def ask(*options: str) -> str:
        result = _run([program, *FLAGS, "rev-parse", *options], path, environment, b"")
        if result.status != 0:
            raise _not_found(path, result)
        return os.fsdecode(result.stdout.removesuffix(b"\n"))

    bare, inside, object_format = ask(
        "--is-bare-repository", "--is-inside-work-tree", "--show-object-format"
    ).split("\n")
    if bare == "true":
        raise RepositoryError(
            f"{path} is a bare repository; a lab needs a working tree.",
            "Clone it and run the lab in the clone.",
        )
    if object_format != "sha1":
        raise RepositoryError(
            f"{path} uses the object format {object_format}, which is not supported.",
            "Use a repository with SHA-1 objects (git's default).",
        )
    if inside != "true":
        raise RepositoryError(f"{path} is inside a git folder.", "Run in the working tree of the repository.")
    places = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
    answers = ask("--path-format=absolute", *places).split("\n")
    if len(answers) != len(places):
        # A line break in a path: ask one by one.
        answers = [ask("--path-format=absolute", place) for place in places]
    top, git_dir, common = (Path(answer) for answer in answers)
    return Git(program, git_dir, common), top


def run_as_user(program: str, folder: Path, *arguments: str) -> Result:
    """Run git as the user would: in their working tree, with their configuration, hooks and name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return _run(
        [program, *arguments], folder, {**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}, b""
    )


def user_settings(folder: Path, pattern: str) -> dict[str, str | None]:
    """The settings that the user's own git has in a folder, whose names match; the last value counts.

    Args:
        folder: In a repository or not.
        pattern: Regular expression over names, of which section and key are in lower case.

    Returns:
        Name -> value; None for a name without one.

    Raises:
        RepositoryError: There is no git, or its configuration is broken.
    """
    result = run_as_user(find_git(), folder, "config", "--null", "--get-regexp", pattern)
    if result.status not in (0, 1):
        raise failure("git config", folder, result)
    found: dict[str, str | None] = {}
    for item in os.fsdecode(result.stdout).split("\0")[:-1]:
        name, given, value = item.partition("\n")
        found[name] = value if given else None
    return found


def failure(what: str, where: Path, result: Result) -> RepositoryError:
    """An error in git's own words."""
    words = result.stderr.strip().removeprefix("fatal: ") or f"exit status {result.status}"
    if "No space left on device" in words:
        return RepositoryError(
            f"{what} failed in {where}: the disk is full.", "Free some space and run again."
        )
    return RepositoryError(f"{what} failed in {where}: {words[:2000]}")


def _not_found(path: Path, result: Result) -> RepositoryError:
    if "dubious ownership" in result.stderr:
        # git wants the folder that it names, the top of the repository, and not one below.
        named = re.search(r"repository at '(.+)'", result.stderr)
        top = named[1] if named else str(path)
        return RepositoryError(
            f"{top} belongs to another user, and git does not trust it.",
            f"Run: git config --global --add safe.directory {shlex.quote(top)}",
        )
    if "not a git repository" in result.stderr:
        return RepositoryError(
            f"{path} is not in a git repository.", "Run `git init` and commit your code first."
        )
    return failure("Opening the repository", path, result)


def _environment() -> dict[str, str]:
    return {**ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], stdin: bytes) -> Result:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"git did not answer within {TIMEOUT:.0f} s in {folder}.") from error
    except OSError as error:
        raise RepositoryError(f"git cannot be run in {folder}: {error.strerror}.") from error
    return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
