"""What would pass from one program to the next through the interpreter that both are forks of."""

import os


class Unsound(Exception):
    """The interpreter cannot be forked safely with what was imported."""


def require_sound(control: int, left: list[str]) -> None:
    """See that a fork shares no memory, descriptor, thread or process with this interpreter.

    Args:
        control: The one descriptor besides the standard ones that is open.
        left: Files that were left where each fork has files of its own.

    Raises:
        Unsound: It would; the text says what.
    """
    faults = [f"a file was left: {path}" for path in left]
    faults += [*_shared_memory(), *_descriptors(control), *_children(), *_threads()]
    if faults:
        raise Unsound("; ".join(faults))


def _shared_memory() -> list[str]:
    with open("/proc/self/maps") as file:
        lines = [line.split(maxsplit=5) for line in file]
    return [f"memory is shared: {fields[-1].strip()}" for fields in lines if fields[1][1:4:2] == "ws"]


def _descriptors(control: int) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            # The one that listed them.
            continue
        if int(name) not in (0, 1, 2, control):
            found.append(f"a file is kept open: {target}")
    return found


def _children() -> list[str]:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return []
    return ["a process was started"]


def _threads() -> list[str]:
    # Those of a library that ends them before a fork, as numpy's does, are gone after the first.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    count = len(os.listdir("/proc/self/task"))
    return [] if count == 1 else [f"{count - 1} threads were started"]
