"""The filter of system calls: the real calls from inside, and the assembled program for each architecture."""

import errno
import json
import os
import re
import signal
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox import open_sandbox
from lab_plugin.sandbox._launcher.seccomp import assemble
from lab_plugin.sandbox._launcher.syscalls import ARCHITECTURES, LAST

CONDITIONAL = {"clone", "clone3", "ioctl", "personality", "socket", "socketpair"}
NUMBERS = ARCHITECTURES[os.uname().machine].numbers
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000

# Makes calls and prints the errno of each; a clone that works ends its copy at once.
CALLER = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
said = []
for number, *arguments in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(value) for value in arguments))
    if result == 0 and number == {clone}: os._exit(0)
    said.append(ctypes.get_errno() if result == -1 else 0)
print(json.dumps(said))
""".replace("{clone}", str(NUMBERS["clone"]))


async def call(sandbox, bench, *calls: tuple[int, ...]) -> list[int]:
    padded = [[number, *arguments, *[0] * (6 - len(arguments))] for number, *arguments in calls]
    execution = await sandbox.run(bench.job("python", "-c", CALLER, json.dumps(padded)))
    assert execution.status == "ok", (execution.reason, execution.stderr.read_text())
    return json.loads(execution.stdout.read_text())


async def test_every_refused_call_is_refused(sandbox, bench):
    # With arguments of zero each is harmless, and none answers EPERM by itself to root.
    names = sorted(set(NUMBERS) - CONDITIONAL)
    said = await call(sandbox, bench, *((NUMBERS[name],) for name in names))
    assert {name: errno.errorcode.get(code) for name, code in zip(names, said, strict=True)} == dict.fromkeys(
        names, "EPERM"
    )


async def test_no_namespace_can_be_made(sandbox, bench):
    clone = NUMBERS["clone"]
    new = [1 << bit for bit in (17, *range(25, 31))]
    said = await call(sandbox, bench, *((clone, flag | signal.SIGCHLD) for flag in new), (clone, 17))
    assert said == [errno.EPERM] * len(new) + [0]


async def test_arguments_decide(sandbox, bench):
    # High halves are no way round: the kernel does not read them.
    high = 1 << 32
    ioctl, personality = NUMBERS["ioctl"], NUMBERS["personality"]
    said = await call(
        sandbox,
        bench,
        (ioctl, 0, 0x5412),
        (ioctl, 0, 0x5412 | high),
        (ioctl, 0, 0x541C),
        (ioctl, 0, 0x5401),
        (personality, 0x0040000),
        (personality, 0x0040000 | high),
        (personality, 0xFFFFFFFF),
        (personality, 0),
        (NUMBERS["clone3"], 0, 0),
        (LAST + 1,),
        (0x3FFFFFFF,),
        (0xFFFFFFFFFFFFFFFF,),
    )
    refused = errno.EPERM
    assert said[:3] == [refused] * 3
    assert said[3] == errno.ENOTTY
    assert said[4:6] == [refused] * 2
    assert said[6:8] == [0, 0]
    assert said[8:] == [errno.ENOSYS] * 4


async def test_only_local_and_internet_sockets(sandbox, bench):
    number, pair = NUMBERS["socket"], NUMBERS["socketpair"]
    stream, raw = 1, 3
    allowed = {1, 2, 10}
    families = [family for family in range(46) if family != 16]
    said = await call(
        sandbox,
        bench,
        *((number, family, stream) for family in families),
        *((number, 16, raw, protocol) for protocol in range(23)),
        *((pair, family, stream) for family in families),
    )
    sockets, netlink, pairs = said[: len(families)], said[len(families) :][:23], said[-len(families) :]
    assert {family for family, code in zip(families, sockets, strict=True) if code != errno.EPERM} == allowed
    assert [protocol for protocol, code in enumerate(netlink) if code != errno.EPERM] == [0]
    assert [family for family, code in zip(families, pairs, strict=True) if code != errno.EPERM] == [1]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86_64 has further ways in")
@pytest.mark.parametrize("code", [b"\xb8\x14\x00\x00\x00\xcd\x80\xc3", b"\xb8\x27\x00\x00\x40\x0f\x05\xc3"])
async def test_other_ways_to_call_the_kernel_are_the_end(sandbox, bench, code):
    # getpid by the 32-bit gate, and by the number that it has under the x32 ABI.
    program = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        f"page.write({code!r})\n"
        "ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()"
    )
    execution = await sandbox.run(bench.python(program))
    assert (execution.status, execution.signal) == ("failed", signal.SIGSYS)


async def test_the_filter_is_for_every_child_and_grants_no_privilege(sandbox, bench):
    code = (
        "import subprocess, sys\n"
        "show = \"print([line.split()[1] for line in open('/proc/self/status') if line[:7] in "
        "('NoNewPr', 'Seccomp')][:2])\"\n"
        "exec(show); sys.stdout.flush(); subprocess.run([sys.executable, '-c', show], start_new_session=True)"
    )
    execution = await sandbox.run(bench.python(code))
    assert execution.stdout.read_text() == "['1', '2']\n" * 2


WORK = """
import concurrent.futures, multiprocessing, os, socket, subprocess, sys, threading, time
def square(x): return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool: assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with multiprocessing.get_context("spawn").Pool(1) as pool: assert pool.map(square, [3]) == [9]
    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert list(pool.map(square, [2])) == [4]
    assert subprocess.run(["sh", "-c", "echo a | cat"], capture_output=True).stdout == b"a\\n"
    assert subprocess.run([sys.executable, "-c", "pass"], close_fds=True).returncode == 0
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    socket.socketpair(); socket.if_nameindex(); socket.getaddrinfo("localhost", 80)
    os.memfd_create("x"); os.sched_getaffinity(0); os.getrandom(4); os.eventfd(0)
    print("worked")
"""


async def test_programs_work(sandbox, bench):
    (bench.workspace / "work.py").write_text(WORK)
    execution = await sandbox.run(bench.job("python", "work.py"))
    assert execution.stdout.read_text() == "worked\n", execution.stderr.read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sh", "-c", "cd $LAB_OUTPUTS && git init -q a && git -C a status -s && echo ok"), "ok\n"),
        (("node", "-e", "setTimeout(()=>console.log([1,2].map(x=>x*2)),5)"), "[ 2, 4 ]\n"),
        (
            (
                "python",
                "-c",
                "import numpy; print(numpy.linalg.norm(numpy.ones((60, 60)) @ numpy.ones(60)) > 1)",
            ),
        )
        + ("True\n",),
    ],
)
async def test_other_programs_work(launched, bench, command, said):
    found = await launched.run(bench.job("sh", "-c", f"command -v {command[0]}"))
    if found.status != "ok":
        pytest.skip(f"{command[0]} is not installed")
    execution = await launched.run(bench.job(*command, limits={"memory_bytes": 2 << 30}))
    assert execution.stdout.read_text() == said, execution.stderr.read_text()


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
def test_an_unknown_architecture_is_refused(kind, monkeypatch):
    known = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*known[:4], "riscv64")))
    with pytest.raises(SandboxUnavailable, match="riscv64") as caught:
        open_sandbox(kind, python=Path(sys.executable))
    assert "x86_64 or aarch64" in caught.value.remedy


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine):
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    text = HEADERS[machine].read_text()
    listed = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)$", text, re.M)}
    numbers = ARCHITECTURES[machine].numbers
    newest = max(listed.values())
    assert {name: number for name, number in numbers.items() if number <= newest} == {
        name: listed.get(name) for name, number in numbers.items() if number <= newest
    }
    # What the other architecture has alone is really missing here.
    others = {name for other in ARCHITECTURES.values() for name in other.numbers} - set(numbers)
    assert not others & set(listed)
    assert newest <= LAST


def judge(program: bytes, data: bytes) -> int:
    """What the kernel would answer: the few instructions of classic BPF that the filter uses."""
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    while True:
        operation, yes, no, value = code[position]
        position += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return value
        else:
            test = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}
            position += yes if test[operation] else no


def packed(audit: int, number: int, *arguments: int) -> bytes:
    return struct.pack("=IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_program_for_each_architecture(machine):
    architecture = ARCHITECTURES[machine]
    program = assemble(architecture)
    numbers = architecture.numbers
    for number in range(LAST + 2):
        names = [name for name, value in numbers.items() if value == number]
        answer = judge(program, packed(architecture.audit, number))
        if number > LAST or names == ["clone3"]:
            assert answer == ERRNO | errno.ENOSYS
        elif names and names[0] not in CONDITIONAL:
            assert answer == ERRNO | errno.EPERM, names
        elif names in (["socket"], ["socketpair"]):
            assert answer == ERRNO | errno.EPERM
        else:
            assert answer == ALLOW, number
    assert judge(program, packed(architecture.audit, numbers["clone"], 0x20000)) == ERRNO | errno.EPERM
    assert len(program) // 8 < 4096


@given(number=st.integers(0, 2**32 - 1), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_architecture_is_killed_whatever_it_calls(machine, number, arguments):
    program = assemble(ARCHITECTURES[machine])
    for audit in (0x40000003, 0x40000028, 0, 0xC000003E, 0xC00000B7):
        if audit != ARCHITECTURES[machine].audit:
            assert judge(program, packed(audit, number, *arguments)) == KILL
    answer = judge(program, packed(ARCHITECTURES[machine].audit, number, *arguments))
    assert answer in (KILL, ALLOW, ERRNO | errno.EPERM, ERRNO | errno.ENOSYS)
