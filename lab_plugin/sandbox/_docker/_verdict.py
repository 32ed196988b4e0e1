"""From what came of a container to what the lab is told."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from lab_plugin.sandbox._contract import Execution, Job, Status
from lab_plugin.sandbox._docker._receiver import Report
from lab_plugin.sandbox._docker._run import Ran


def execution(job: Job, ran: Ran, kind: str, guarantees: Iterable[str]) -> Execution:
    """What one job did."""
    report = ran.receiver.report
    if report is not None and job.network_socket:
        report = _behind_forwarder(report)
    status, reason = _status(job, ran, report)
    cpu_ns = report.cpu_ns if report else None
    return Execution(
        status=status,
        reason=reason,
        exit_code=report.exit_code if report else None,
        signal=report.signal if report else None,
        # Measured inside, where the engine's own work does not count; the host's clock bounds it.
        wall_seconds=min(report.wall_ns / 1e9, ran.wall_seconds) if report else ran.wall_seconds,
        cpu_seconds=None if cpu_ns is None else cpu_ns / 1e9,
        peak_bytes=report.peak_bytes if report else None,
        stdout=job.destination / "stdout.log",
        stderr=job.destination / "stderr.log",
        outputs=ran.receiver.outputs.taken,
        refused=ran.receiver.outputs.refused,
        sandbox=kind,
        guarantees=tuple(sorted(guarantees)),
    )


def _status(job: Job, ran: Ran, report: Report | None) -> tuple[Status, str]:
    limits = job.limits
    if ran.memory or (report is not None and report.kills):
        return "memory", f"used more memory than {limits.memory_bytes:,} bytes"
    if ran.cause == "timeout" or (report is not None and report.timed_out):
        return "timeout", f"did not end within {limits.wall_seconds:g} s"
    if ran.cause == "output":
        return "output", f"wrote more than {limits.disk_bytes:,} bytes"
    if report is None or report.exit_code == 0:
        return "ok", ""
    if report.fault:
        return "failed", f"could not be executed: {job.command[0]}: {report.fault}"
    if report.full:
        return "output", f"failed with its {limits.disk_bytes:,} bytes of storage full"
    return "failed", _how(report)


def _behind_forwarder(report: Report) -> Report:
    # The forwarder, in front of the program, tells a signal as a shell does.
    code = report.exit_code
    if code is None or not 128 < code <= 128 + signal.NSIG:
        return report
    return report._replace(exit_code=None, signal=code - 128)


def _how(report: Report) -> str:
    if report.signal is None:
        return f"exit status {report.exit_code}"
    try:
        name = f" ({signal.Signals(report.signal).name})"
    except ValueError:
        name = ""
    return f"ended by signal {report.signal}{name}"
