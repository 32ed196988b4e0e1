"""What the first process is asked to do."""

from __future__ import annotations

from .frames import pack, unpack

OUTPUTS = "/tmp/outputs"  # noqa: S108 - in the container
WORKSPACE = "/lab/workspace"
STORAGE = ("/tmp", "/dev/shm")  # noqa: S108 - in the container


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
        identity: Device and inode of the workspace as the lab sees it; empty where it is not shown.
    """

    def __init__(
        self,
        command: list[bytes],
        environment: list[bytes],
        directory: bytes,
        outputs: list[bytes],
        filters: list[bytes],
        limits: list[int],
        identity: list[int],
    ) -> None:
        self.command = command
        self.environment = environment
        self.directory = directory
        self.outputs = outputs
        self.filters = filters
        self.limits = limits
        self.identity = identity
        self.wall_ns, self.log_bytes, self.file_bytes, self.total_bytes, self.silence_ns = limits

    def encode(self) -> bytes:
        """As it travels."""
        texts = (self.command, self.environment, [self.directory], self.outputs, self.filters)
        numbers = ([str(number).encode() for number in numbers] for numbers in (self.limits, self.identity))
        return pack([pack(fields) for fields in (*texts, *numbers)])


def decode(data: bytes) -> Setup:
    """What `Setup.encode` made."""
    command, environment, directory, outputs, filters, *texts = (unpack(fields) for fields in unpack(data))
    limits, identity = ([int(text) for text in numbers] for numbers in texts)
    return Setup(command, environment, directory[0], outputs, filters, limits, identity)
