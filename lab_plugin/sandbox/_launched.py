"""What both kinds share: checking a job, handing it to the launcher, telling what came of it."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._contract import Execution, Job, Limits, Sandbox
from lab_plugin.sandbox._interpreter import find_interpreter, outermost
from lab_plugin.sandbox._launcher import cgroup
from lab_plugin.sandbox._launcher.request import Request
from lab_plugin.sandbox._spawner import Spawner

_PROBE_SECONDS = 30.0
_MAX_TEXT = 100 << 10


class LaunchedSandbox(Sandbox):
    """A sandbox whose jobs the launcher runs.

    Args:
        python: Interpreter that `python` means inside; None for the one that runs this process.
        mounts: Further host folders that programs may read at their own paths.

    Raises:
        SandboxError: The interpreter or a mount cannot be used.
    """

    def __init__(self, *, python: Path | None = None, mounts: Sequence[Path] = ()) -> None:
        self._interpreter = find_interpreter(python)
        self._shown = outermost(
            [*self._interpreter.folders, *(Path(os.path.abspath(path)) for path in mounts)]
        )
        self._spawner = Spawner()
        self.guarantees = self._held() | _counted()

    @abstractmethod
    def _held(self) -> frozenset[str]:
        """What this kind guarantees besides the limits of control groups."""

    @abstractmethod
    def _complete(self, job: Job) -> dict[str, Any]:
        """Fields of the request that differ between kinds."""

    async def probe(self) -> None:
        """See `Sandbox.probe`."""
        with TemporaryDirectory(prefix="lab-probe-") as folder:
            workspace, destination = Path(folder, "workspace"), Path(folder, "destination")
            workspace.mkdir(mode=0o755)
            destination.mkdir()
            execution = await self.run(
                Job(
                    name="probe",
                    role="candidate",
                    command=("python", "-c", "pass"),
                    workspace=workspace,
                    destination=destination,
                    limits=Limits(wall_seconds=_PROBE_SECONDS),
                )
            )
            if execution.status != "ok":
                said = execution.stderr.read_text(errors="replace").strip()
                python = self._interpreter.executable
                raise SandboxUnavailable(
                    f"{self.kind}: {python} does not run inside: {execution.reason}\n{said}",
                    "Set [sandbox] python to an interpreter whose files all lie in its own folder or /usr.",
                )

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`."""
        check(job)
        report = await self._spawner.run(self._request(job))
        if report["event"] == "broken":
            raise SandboxUnavailable(f"{self.kind}: {report['message']}", report["remedy"])
        if report["event"] == "refused":
            raise SandboxError(f"{job.name}: {report['message']}", report["remedy"])
        return self._execution(job, report)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        await self._spawner.close()

    def _request(self, job: Job) -> Request:
        limits = job.limits
        return Request(
            kind=self.kind,
            name=job.name,
            command=list(job.command),
            workspace=os.path.abspath(job.workspace),
            directory=job.directory,
            writable=list(job.writable),
            inputs={name: os.path.abspath(path) for name, path in job.inputs.items()},
            outputs=list(job.outputs),
            output_variables=dict(job.output_variables),
            destination=os.path.abspath(job.destination),
            environment=dict(job.environment),
            python=str(self._interpreter.executable),
            python_named=self._interpreter.is_named_python,
            mounts=[str(folder) for folder in self._shown],
            wall_seconds=limits.wall_seconds,
            memory_bytes=limits.memory_bytes,
            cpus=limits.cpus,
            processes=limits.processes,
            disk_bytes=limits.disk_bytes,
            file_bytes=limits.file_bytes,
            log_bytes=limits.log_bytes,
            **self._complete(job),
        )

    def _execution(self, job: Job, report: dict[str, Any]) -> Execution:
        # What is edited in place lies on the host's disk: its growth is watched, not bounded.
        lost = {"disk_quota"} if job.writable else set()
        return Execution(
            status=report["status"],
            reason=report["reason"],
            exit_code=report["exit_code"],
            signal=report["signal"],
            wall_seconds=report["wall_seconds"],
            cpu_seconds=report["cpu_seconds"],
            peak_bytes=report["peak_bytes"],
            stdout=job.destination / "stdout.log",
            stderr=job.destination / "stderr.log",
            outputs={name: job.destination / "outputs" / name for name in report["taken"]},
            refused=report["refused"],
            sandbox=self.kind,
            guarantees=tuple(sorted(self.guarantees - lost)),
        )


def check(job: Job) -> None:
    """Refuse a job that no sandbox can hold.

    Raises:
        SandboxError: It says what is wrong with the job.
    """
    fault = _fault(job)
    if fault:
        raise SandboxError(f"{job.name}: {fault}")


def _fault(job: Job) -> str:
    return _text_fault(job) or _path_fault(job) or _limits_fault(job.limits)


def _text_fault(job: Job) -> str:
    variables = {**job.environment, **job.inputs, **job.output_variables}
    texts = [*job.command, *job.environment.values()]
    paths = [*job.writable, *job.outputs, *job.output_variables.values(), job.directory]
    if not job.command:
        return "the command is empty"
    if any("\0" in text for text in (*texts, *paths, *variables)):
        return "a NUL byte in the command, a variable or a path"
    try:
        length = sum(len(os.fsencode(text)) for text in (*texts, *paths, *variables))
    except UnicodeEncodeError:
        return "a character in the command, a variable or a path cannot be encoded"
    if length > _MAX_TEXT:
        return f"the command and its variables are longer than {_MAX_TEXT:,} bytes"
    odd = [name for name in variables if not name or "=" in name]
    return f"{odd[0]!r} is no name for a variable" if odd else ""


def _path_fault(job: Job) -> str:
    for path in (*job.writable, *job.outputs, *job.output_variables.values(), job.directory):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            return f"path {path!r} must be relative and stay inside"
    for path in (*job.writable, *job.outputs):
        if str(PurePosixPath(path)) != path or path == ".":
            return f"path {path!r} must be a plain relative path"
    for folder in (job.workspace, job.destination):
        if not folder.is_dir():
            return f"{folder} is no existing folder"
    return f"{job.destination} is not empty" if any(job.destination.iterdir()) else ""


def _limits_fault(limits: Limits) -> str:
    numbers = (
        ("wall_seconds", limits.wall_seconds),
        ("memory_bytes", limits.memory_bytes),
        ("cpus", limits.cpus),
        ("processes", limits.processes),
        ("disk_bytes", limits.disk_bytes),
        ("file_bytes", limits.file_bytes),
    )
    for name, value in numbers:
        if not (math.isfinite(value) and value > 0):
            return f"limit {name} is {value}, not above 0"
    return "" if limits.log_bytes >= 0 else "limit log_bytes is negative"


def _counted() -> frozenset[str]:
    return frozenset({"memory_total", "oom_detected"} if "memory" in cgroup.parents() else ())
