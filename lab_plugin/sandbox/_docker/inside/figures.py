"""What the container's control group counted; the kernel shows it inside, read-only."""

from __future__ import annotations

_ROOT = "/sys/fs/cgroup"
_PEAK = ("memory.peak", "memory/memory.max_usage_in_bytes")
_KILLS = ("memory.events", "memory/memory.oom_control")
_CPU_MICROSECONDS = "cpu.stat"
_CPU_NANOSECONDS = ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage")


def peak_bytes() -> int | None:
    """Largest memory so far; None where it is not counted."""
    return _first(_PEAK)


def kills() -> int | None:
    """Processes killed for lack of memory; None where they are not counted."""
    for name in _KILLS:
        count = _entry(name, "oom_kill")
        if count is not None:
            return count
    return None


def cpu_ns() -> int | None:
    """User and system time so far, in nanoseconds; None where it is not counted."""
    microseconds = _entry(_CPU_MICROSECONDS, "usage_usec")
    return _first(_CPU_NANOSECONDS) if microseconds is None else 1000 * microseconds


def _first(names: tuple[str, ...]) -> int | None:
    for name in names:
        text = _read(name)
        if text:
            return int(text)
    return None


def _entry(name: str, wanted: str) -> int | None:
    for line in _read(name).splitlines():
        key, _, value = line.partition(" ")
        if key == wanted:
            return int(value)
    return None


def _read(name: str) -> str:
    try:
        with open(f"{_ROOT}/{name}") as file:
            return file.read()
    except OSError:
        return ""
