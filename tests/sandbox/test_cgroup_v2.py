"""Control groups version 2: on an imitated tree, and on the machine's own hierarchy where there is one."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_plugin.sandbox._launcher import cgroup, cgroup_v2

ROOT = Path(__file__).parents[2]


class Kernel:
    """Imitates what the kernel does with a cgroup tree: files appear, and go when the group is killed."""

    def __init__(self, folder: Path, controllers: str = "cpuset cpu memory pids") -> None:
        self.tree = folder / "tree"
        self.proc = folder / "proc"
        self.base = self.tree / "user" / "lab.scope"
        self.base.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        self.say(self.base / "cgroup.controllers", controllers)
        for name in ("cgroup.subtree_control", "cgroup.procs"):
            self.say(self.base / name, "")
        self.say(self.proc / "self" / "cgroup", "0::/user/lab.scope\n")
        self.say(
            self.proc / "self" / "mountinfo",
            "22 1 0:21 / /sys rw - sysfs sysfs rw\n"
            f"30 22 0:26 / {self.tree} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        )
        self.killed: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    @staticmethod
    def say(path: Path, text: str) -> None:
        path.write_text(text)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(0.001):
            family = self.base / cgroup.FAMILY
            for path in (family, *family.glob("*/")) if family.exists() else ():
                try:
                    self._tend(path)
                except FileNotFoundError:
                    continue

    def _tend(self, path: Path) -> None:
        if path.name == cgroup.FAMILY:
            if not (path / "cgroup.subtree_control").exists():
                self.say(path / "cgroup.subtree_control", "")
            return
        kill = path / "cgroup.kill"
        if not kill.exists():
            for name in ("cgroup.procs", "memory.swap.max", "cgroup.kill"):
                self.say(path / name, "")
        elif kill.read_text() == "1":
            self.killed.append(path.name)
            # What a removed folder of a real hierarchy does by itself.
            for file in path.iterdir():
                file.unlink()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    made = Kernel(tmp_path)
    # In a real tree, each "+controller" written is remembered; here the last text stays.
    (made.base / cgroup.FAMILY).mkdir()
    made.say(made.base / "cgroup.subtree_control", "cpu memory pids")
    made.say(made.base / cgroup.FAMILY / "cgroup.subtree_control", "cpu memory pids")
    yield made
    made.stop()


@pytest.fixture
def keep_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The imitation cannot add to a file what is written to it."""
    write = cgroup_v2.files.write

    def keeping(path: str, value: int | str) -> None:
        if not path.endswith("subtree_control"):
            write(path, value)

    monkeypatch.setattr(cgroup_v2.files, "write", keeping)


def made(kernel: Kernel, name: str) -> tuple[cgroup.Group, Path]:
    group = cgroup.open_family(str(kernel.proc)).create(name)
    folder = kernel.base / cgroup.FAMILY / name
    deadline = time.monotonic() + 10
    while not (folder / "cgroup.kill").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return group, folder


@pytest.mark.usefixtures("keep_enabled")
def test_limits_are_set(kernel):
    group, folder = made(kernel, "one")
    assert group.controllers == {"cpu", "memory", "pids"}
    group.restrict(123 << 20, 7, 1.5)
    group.join()
    said = {path.name: path.read_text() for path in folder.iterdir()}
    assert said["memory.max"] == str(123 << 20)
    assert said["memory.swap.max"] == "0"
    assert said["pids.max"] == "7"
    assert said["cpu.max"] == "150000 100000"
    assert said["cgroup.procs"] == "0"
    group.freeze_forks()
    assert (folder / "pids.max").read_text() == "0"


@pytest.mark.usefixtures("keep_enabled")
def test_figures_are_read(kernel):
    group, folder = made(kernel, "one")
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n")
    assert group.usage() == (1.5, None, False)
    (folder / "memory.peak").write_text("4096\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n")
    assert group.usage() == (1.5, 4096, True)


@pytest.mark.usefixtures("keep_enabled")
def test_a_group_is_killed_and_removed(kernel):
    group, folder = made(kernel, "one")
    group.remove()
    assert "one" in kernel.killed
    assert not folder.exists()
    group.remove()


@pytest.mark.usefixtures("keep_enabled")
def test_a_sweep_removes_only_what_nobody_holds(kernel):
    _, held = made(kernel, "held")
    left, folder = made(kernel, "left")
    for lock in left._locks:
        os.close(lock)
    cgroup.open_family(str(kernel.proc)).sweep()
    assert held.exists()
    assert not folder.exists()
    assert "held" not in kernel.killed


@pytest.mark.usefixtures("keep_enabled")
def test_a_lab_that_moved_to_its_leaf_finds_the_same_family(kernel):
    before = cgroup_v2.find(str(kernel.proc))
    kernel.say(kernel.proc / "self" / "cgroup", f"0::/user/lab.scope/{cgroup_v2.LEAF}\n")
    assert (
        cgroup_v2.find(str(kernel.proc)) == before == dict.fromkeys(cgroup_v2.CONTROLLERS, str(kernel.base))
    )


@pytest.mark.parametrize(
    ("controllers", "handed", "found"),
    [("cpu memory pids", "memory", {"memory"}), ("", "", set()), ("cpuset io", "", set())],
)
def test_controllers_that_are_not_handed_down_are_not_counted_on(tmp_path, controllers, handed, found):
    kernel = Kernel(tmp_path, controllers)
    try:
        kernel.say(kernel.base / "cgroup.subtree_control", handed)
        kernel.say(kernel.base / "cgroup.type", "domain")
        # A process of somebody else: the group is not ours to empty.
        kernel.say(kernel.base / "cgroup.procs", "1\n")
        assert set(cgroup_v2.find(str(kernel.proc))) == found
        assert not (kernel.base / cgroup_v2.LEAF).exists()
    finally:
        kernel.stop()


def test_a_group_outside_of_what_is_mounted_is_none(tmp_path):
    kernel = Kernel(tmp_path)
    try:
        kernel.say(kernel.proc / "self" / "cgroup", "0::/../../outside\n")
        assert cgroup_v2.find(str(kernel.proc)) == {}
        kernel.say(kernel.proc / "self" / "mountinfo", "22 1 0:21 / /sys rw - sysfs sysfs rw\n")
        assert cgroup.open_family(str(kernel.proc)).measure() == frozenset()
    finally:
        kernel.stop()


def hierarchy() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return Path(fields.split(" ")[4])
    pytest.skip("no control groups of version 2 here")


# In a group of its own with two processes: delegates, then runs a tree that is limited, counted and killed.
DELEGATED = """
import os, subprocess, sys, time
from pathlib import Path
from lab_plugin.sandbox._launcher import cgroup, cgroup_v2
base, wanted = Path(sys.argv[1]), tuple(sys.argv[2].split(","))
(base / "cgroup.procs").write_text(str(os.getpid()))
sleeper = subprocess.Popen(["sleep", "1000"])
found = cgroup_v2.find("/proc", wanted)
assert found == dict.fromkeys(wanted, str(base)), found
assert (base / "cgroup.procs").read_text() == ""
leaf = (base / cgroup_v2.LEAF / "cgroup.procs").read_text().split()
assert set(leaf) == {str(os.getpid()), str(sleeper.pid)}, leaf
assert cgroup_v2.find("/proc", wanted) == found
parent = base / cgroup.FAMILY
parent.mkdir()
enabled = cgroup_v2.enable(str(parent), set(wanted))
assert enabled == set(wanted), enabled
family = cgroup.Family(cgroup_v2.GroupV2, dict.fromkeys(wanted, str(parent)))
assert family.measure() == set(wanted)
group = family.create("job")
group.restrict(256 << 20, 20, 1.0)
pid = os.fork()
if pid == 0:
    group.join()
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            while True: os.getpid()
    time.sleep(1000)
deadline = time.monotonic() + 20
while len((parent / "job" / "cgroup.procs").read_text().split()) < 4 or group.usage().cpu_seconds < 0.05:
    assert time.monotonic() < deadline
    time.sleep(0.01)
family.sweep()
assert (parent / "job").exists()
group.remove()
assert os.waitpid(pid, 0)[1] == 9
assert not (parent / "job").exists()
(parent / "orphan" / "below").mkdir(parents=True)
family.sweep()
assert not (parent / "orphan").exists()
sleeper.kill(); sleeper.wait()
print("held")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can delegate a group to itself")
def test_a_delegated_subtree_of_the_real_hierarchy():
    root = hierarchy()
    there = (root / "cgroup.controllers").read_text().split()
    wanted = [name for name in cgroup_v2.CONTROLLERS if name in there] or there[:1]
    if not wanted:
        pytest.skip("every controller is bound to version 1 here")
    before = (root / "cgroup.subtree_control").read_text().split()
    base = root / f"prefect-lab-test-{uuid.uuid4().hex}"
    base.mkdir()
    try:
        for name in wanted:
            (root / "cgroup.subtree_control").write_text(f"+{name}")
        run = subprocess.run(
            [sys.executable, "-c", DELEGATED, base, ",".join(wanted)],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (run.stdout, run.returncode) == ("held\n", 0), run.stderr
    finally:
        cgroup_v2.files.remove(str(base))
        for name in set(wanted) - set(before):
            (root / "cgroup.subtree_control").write_text(f"-{name}")
