"""What both kinds share: checking a job, handing it to the launcher, telling what came of it."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox import _facts
from lab_plugin.sandbox._contract import Execution, Job, Limits, Sandbox
from lab_plugin.sandbox._interpreter import find_interpreter, outermost
from lab_plugin.sandbox._launcher import cgroup, seccomp
from lab_plugin.sandbox._launcher.request import Broken, Request
from lab_plugin.sandbox._spawner import Spawner
from lab_plugin.sandbox._warmable import is_warmable

_PROBE_SECONDS = 30.0
_FORWARDER = Path(__file__).parent.parent / "network" / "forwarder.py"
_MAX_TEXT = 100 << 10
_MAX_RULES = 256
_MODES = ("hidden", "ro", "rw")
_COUNTED = frozenset({"memory_total", "oom_detected"})


class LaunchedSandbox(Sandbox):
    """A sandbox whose jobs the launcher runs.

    Args:
        python: Interpreter that `python` means inside; None for the one that runs this process.
        mounts: Further host folders that programs may read at their own paths.

    Raises:
        SandboxUnavailable: This machine's system calls cannot be filtered.
        SandboxError: The interpreter or a mount cannot be used.
    """

    def __init__(self, *, python: Path | None = None, mounts: Sequence[Path] = ()) -> None:
        _require_filter(self.kind)
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
        """See `Sandbox.probe`: what a program finds inside must bear out each guarantee."""
        with TemporaryDirectory(prefix="lab-probe-") as folder:
            workspace, destination = Path(folder, "workspace"), Path(folder, "destination")
            workspace.mkdir(mode=0o755)
            destination.mkdir()
            job = Job(
                name="probe",
                role="candidate",
                command=("python", "-c", _facts.PROGRAM),
                workspace=workspace,
                destination=destination,
                limits=Limits(wall_seconds=_PROBE_SECONDS),
            )
            self._judge(job, await self.run(job))

    def _judge(self, job: Job, execution: Execution) -> None:
        said = execution.stdout.read_text(errors="replace").strip()
        if execution.status != "ok" or not said:
            warned = execution.stderr.read_text(errors="replace").strip()
            python = self._interpreter.executable
            raise SandboxUnavailable(
                f"{self.kind}: {python} does not run inside: {execution.reason}\n{warned}",
                "Set [sandbox] python to an interpreter whose files all lie in its own folder or /usr.",
            )
        claimed, uid = frozenset(execution.guarantees), self._complete(job)["uid"]
        missing = _facts.unfounded(claimed, said.splitlines()[-1], uid, job.limits.disk_bytes)
        if missing := sorted({*missing, *self.guarantees - claimed}):
            raise SandboxUnavailable(
                f"{self.kind}: a program inside found that this does not hold: {', '.join(missing)}",
                "Update bubblewrap and the kernel; look at what else confines this machine.",
            )

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`."""
        check(job)
        if job.gpus:
            raise SandboxError(
                f"{job.name}: the sandbox {self.kind!r} has no GPUs", "Use the sandbox docker."
            )
        report, warm = await self._play(job)
        if report["event"] == "broken":
            raise SandboxUnavailable(f"{self.kind}: {report['message']}", report["remedy"])
        if report["event"] == "refused":
            raise SandboxError(f"{job.name}: {report['message']}", report["remedy"])
        return replace(self._execution(job, report), warm=warm)

    async def _play(self, job: Job) -> tuple[dict[str, Any], bool]:
        """The launcher's report, and whether a warm interpreter ran the job."""
        return await self._spawner.run(self._request(job)), False

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
            rules={**dict.fromkeys(job.writable, "rw"), **job.files},
            inputs={name: os.path.abspath(path) for name, path in job.inputs.items()},
            outputs=list(job.outputs),
            output_variables=dict(job.output_variables),
            destination=os.path.abspath(job.destination),
            environment=dict(job.environment),
            python=str(self._interpreter.executable),
            python_named=self._interpreter.is_named_python,
            mounts=[str(folder) for folder in self._shown],
            network_socket=os.path.abspath(job.network_socket) if job.network_socket else "",
            forwarder=str(_FORWARDER),
            warm=[],
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
        lost = {"disk_quota"} if job.writable or "rw" in job.files.values() else set()
        if job.network_socket:
            lost.add("network_none")
        if "memory" not in report["controllers"]:
            lost |= _COUNTED
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
    return (
        _text_fault(job)
        or _path_fault(job)
        or _rules_fault(job)
        or _limits_fault(job.limits)
        or _warm_fault(job)
    )


def _text_fault(job: Job) -> str:
    variables = {**job.environment, **job.inputs, **job.output_variables}
    texts = [*job.command, *job.environment.values()]
    paths = [*job.writable, *job.files, *job.outputs, *job.output_variables.values(), job.directory]
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
    for path in (*job.writable, *job.files, *job.outputs, *job.output_variables.values(), job.directory):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            return f"path {path!r} must be relative and stay inside"
    for path in (*job.writable, *job.files, *job.outputs):
        if str(PurePosixPath(path)) != path or (path == "." and path not in job.files):
            return f"path {path!r} must be a plain relative path"
    for folder in (job.workspace, job.destination):
        if not folder.is_dir():
            return f"{folder} is no existing folder"
    return f"{job.destination} is not empty" if any(job.destination.iterdir()) else ""


def _rules_fault(job: Job) -> str:
    if len(job.files) + len(job.writable) > _MAX_RULES:
        return f"more than {_MAX_RULES} rules for files"
    for path, mode in job.files.items():
        if mode not in _MODES:
            return f"{mode!r} is no rule for {path!r}; the rules are {', '.join(_MODES)}"
        if path in job.writable and mode != "rw":
            return f"{path!r} is writable and {mode}"
    return ""


def _warm_fault(job: Job) -> str:
    if not job.warm:
        return ""
    if bad := [name for name in job.warm if not all(part.isidentifier() for part in name.split("."))]:
        return f"{bad[0]!r} is no module to import ahead"
    if not is_warmable(job.command):
        return "with modules imported ahead, a command is `python SCRIPT.py ...` or `python -m MODULE ...`"
    if job.network_socket or job.files or job.writable:
        return "with modules imported ahead, a job has neither a network nor rules for files"
    return ""


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


def _require_filter(kind: str) -> None:
    try:
        seccomp.program()
    except Broken as fault:
        raise SandboxUnavailable(f"{kind}: {fault.message}", fault.remedy) from None


def _counted() -> frozenset[str]:
    return _COUNTED if "memory" in cgroup.open_family().measure() else frozenset()
