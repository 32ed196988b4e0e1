"""What the first process is asked to do."""

from __future__ import annotations

import os

from .frames import pack, unpack

OUTPUTS = "/tmp/outputs"  # noqa: S108 - in the container
WORKSPACE = "/lab/workspace"
STORAGE = ("/tmp", "/dev/shm")  # noqa: S108 - in the container

Shown = tuple[str, int, int]


class Setup:
    """One job, as it is seen inside.

    Args:
        command: argv.
        environment: The whole environment, `NAME=value` each.
        directory: Working directory, absolute.
        outputs: Declared outputs, relative to the output folder.
        filters: Programs of `struct sock_filter`, for the program only.
        limits: Wall clock in nanoseconds; bytes to keep of each log, of one output, of all outputs; how long
            the lab may say nothing, in nanoseconds.
        shown: Path inside, and device and inode that the lab sees there; the first process sees to it.
    """

    def __init__(
        self,
        command: list[bytes],
        environment: list[bytes],
        directory: bytes,
        outputs: list[bytes],
        filters: list[bytes],
        limits: list[int],
        shown: list[Shown],
    ) -> None:
        self.command = command
        self.environment = environment
        self.directory = directory
        self.outputs = outputs
        self.filters = filters
        self.limits = limits
        self.shown = shown
        self.wall_ns, self.log_bytes, self.file_bytes, self.total_bytes, self.silence_ns = limits

    def encode(self) -> bytes:
        """As it travels."""
        texts = (self.command, self.environment, [self.directory], self.outputs, self.filters)
        limits = [str(number).encode() for number in self.limits]
        shown = [
            pack([os.fsencode(path), b"%d" % device, b"%d" % inode]) for path, device, inode in self.shown
        ]
        return pack([pack(fields) for fields in (*texts, limits, shown)])


def decode(data: bytes) -> Setup:
    """What `Setup.encode` made."""
    fields = [unpack(field) for field in unpack(data)]
    command, environment, directory, outputs, filters, limits, shown = fields
    places = [unpack(place) for place in shown]
    return Setup(
        command,
        environment,
        directory[0],
        outputs,
        filters,
        [int(limit) for limit in limits],
        [(os.fsdecode(path), int(device), int(inode)) for path, device, inode in places],
    )
