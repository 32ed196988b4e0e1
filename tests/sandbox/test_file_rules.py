"""Rules per path of the workspace: `rw`, `ro` and `hidden`, against a program that wants round them."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox import open_sandbox
from lab_plugin.sandbox._launcher.rules import plan, writable_roots

# Tries everything that could change, move, replace or read what it is told, and prints what worked.
ATTACK = """
import ctypes, json, os, shutil, sys
libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1]
done = []
def attempt(what, act):
    try: act()
    except OSError: return
    done.append(what)
def write(target):
    with open(target, 'w') as file: file.write('forged')
def check(result):
    if result != 0: raise OSError(ctypes.get_errno(), 'refused')
def rename(flags):
    check(libc.renameat2(-100, b'forged', -100, path.encode(), flags))
os.chdir('rw')
path = os.path.relpath(path, 'rw')
attempt('write', lambda: write(path))
attempt('truncate', lambda: os.truncate(path, 0))
attempt('mkdir', lambda: os.mkdir(path))
attempt('create', lambda: write(path + '/new'))
attempt('link', lambda: os.link(path, 'link'))
attempt('chmod', lambda: os.chmod(path, 0o777))
attempt('utime', lambda: os.utime(path, (0, 0)))
attempt('xattr', lambda: os.setxattr(path, 'user.lab', b'x'))
attempt('bind', lambda: check(libc.mount(b'.', path.encode(), None, 4096, None)))
attempt('unmount', lambda: check(libc.umount2(path.encode(), 2)))
for make in (write, os.mkdir):
    make('forged')
    attempt('exchange', lambda: rename(2))
    attempt('replace', lambda: rename(0))
    attempt('clear', lambda: os.unlink('forged') if make is write else os.rmdir('forged'))
attempt('move', lambda: os.rename(path, 'moved'))
attempt('unlink', lambda: os.unlink(path))
attempt('rmdir', lambda: os.rmdir(path))
above = os.path.dirname(path)
while above:
    attempt('move above', lambda: os.rename(above, 'moved'))
    attempt('exchange above', lambda: check(libc.renameat2(-100, b'other', -100, above.encode(), 2)))
    above = os.path.dirname(above)
attempt('move root', lambda: os.rename('../rw', '../moved'))
shutil.rmtree('.', ignore_errors=True)
print(json.dumps([what for what in done if what != 'clear']))
"""


def tree(bench, **files: str) -> None:
    for path, text in files.items():
        file = bench.workspace / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.read_text() if path.is_file() else "")
        for path in sorted(folder.rglob("*"))
    }


async def attack(sandbox, bench, path: str, rules) -> list[str]:
    execution = await sandbox.run(
        bench.job("python", "-c", ATTACK, path, role="proposer", files=rules, outputs=())
    )
    assert execution.status == "ok", (execution.reason, execution.stderr.read_text())
    return json.loads(execution.stdout.read_text())


@pytest.mark.parametrize("rule", ["ro", "hidden"])
@pytest.mark.parametrize("path", ["rw/keep.txt", "rw/a/b/keep.txt", "rw/a/keep"])
async def test_what_is_kept_in_a_writable_folder_stays_where_it_is(contained, bench, rule, path):
    tree(bench, rw__one="1", rw__a__two="2", rw__a__b__three="3", rw__other__four="4")
    if path.endswith(".txt"):
        (bench.workspace / path).write_text("kept")
    else:
        (bench.workspace / path).mkdir()
        (bench.workspace / path / "inner").write_text("kept")
    kept = bench.workspace / path
    inside = kept if kept.is_file() else kept / "inner"
    before = kept.stat().st_ino, inside.stat().st_uid
    assert await attack(contained, bench, path, {"rw": "rw", path: rule}) == []
    assert inside.read_text() == "kept"
    assert (kept.stat().st_ino, inside.stat().st_uid) == before


async def test_the_attack_works_where_nothing_is_kept(contained, bench):
    tree(bench, rw__a__b__keep="kept")
    done = await attack(contained, bench, "rw/a/b/keep", {"rw": "rw"})
    assert set(done) >= {"write", "truncate", "link", "exchange", "replace", "move", "move above"}
    assert "keep" not in str(snapshot(bench.workspace))


async def test_what_is_hidden_cannot_be_read_or_listed(contained, bench):
    tree(bench, secret__answers="42", rw__note="42", train="x", rw__open="7", secret__shown__plain="seen")
    code = (
        "import os\n"
        "print(os.listdir('secret'), os.listdir('secret/shown'), open('secret/shown/plain').read())\n"
        "print(repr(open('rw/note').read()), open('rw/open').read(), os.stat('rw/note').st_size)\n"
        "for root, folders, files in os.walk('/'):\n"
        "    if root in ('/proc', '/sys', '/usr'): folders.clear(); continue\n"
        "    for name in files:\n"
        "        if name in ('answers', 'note') and open(root + '/' + name).read(): print('read', name)\n"
        "os.makedirs('secret/new')"
    )
    rules = {"secret": "hidden", "rw": "rw", "rw/note": "hidden", "secret/shown": "ro"}
    execution = await contained.run(bench.python(code, files=rules))
    assert execution.status == "failed"
    assert execution.stdout.read_text() == "['shown'] ['plain'] seen\n'' 7 0\n"
    assert "Read-only file system" in execution.stderr.read_text()
    assert (bench.workspace / "secret" / "answers").read_text() == "42"


async def test_the_longest_match_holds(contained, bench):
    tree(bench, a__b__c__d="", a__one="", a__b__two="", a__b__c__three="", root="")
    code = (
        "import os\n"
        "for root, _, files in sorted(os.walk('.')):\n"
        "    for name in sorted(files):\n"
        "        try: open(root + '/' + name, 'a').write('x')\n"
        "        except OSError: pass\n"
        "open('a/b/c/new', 'w')"
    )
    rules = {"a": "rw", "a/b": "ro", "a/b/c": "rw", "a/b/c/d": "ro"}
    execution = await contained.run(bench.python(code, files=rules))
    assert execution.status == "ok", execution.stderr.read_text()
    changed = {str(p.relative_to(bench.workspace)) for p in bench.workspace.rglob("*") if p.is_file()} - {
        path for path, (_, text) in snapshot(bench.workspace).items() if text != "x"
    }
    assert changed == {"a/one", "a/b/c/three"}
    assert (bench.workspace / "a/b/c/new").exists()
    assert "disk_quota" not in execution.guarantees


# What editors do: a new file, renamed over the old one.
REPLACE = """
import os, sys
path = sys.argv[1]
with open(path + '.new', 'w') as file: file.write('new')
os.replace(path + '.new', path)
"""


@pytest.mark.parametrize("path", ["train.py", "a/b/train.py"])
async def test_a_writable_file_can_be_replaced_by_another(contained, bench, path):
    tree(bench, a__b__train="x", a__b__kept="kept", a__two="2", scorer__kept="kept")
    (bench.workspace / "a/b/train.py").write_text("old")
    (bench.workspace / "a/b/link").symlink_to("kept")
    (bench.workspace / "link").symlink_to("a/two")
    before = snapshot(bench.workspace)
    execution = await contained.run(
        bench.job("python", "-c", REPLACE, path, role="proposer", writable=(path,))
    )
    assert execution.status == "ok", execution.stderr.read_text()
    after = snapshot(bench.workspace)
    assert after[path][1] == "new"
    del before[path], after[path]
    assert after == before
    assert "disk_quota" not in execution.guarantees


@pytest.mark.parametrize("beside", ["rw/keep.txt", "rw/a"])
async def test_what_lies_beside_a_writable_file_stays_what_and_where_it_is(contained, bench, beside):
    tree(bench, rw__edited="old", rw__a__b__three="3", rw__other__four="4")
    (bench.workspace / "rw" / "keep.txt").write_text("kept")
    before = snapshot(bench.workspace)
    assert await attack(contained, bench, beside, {"rw/edited": "rw"}) == []
    after = snapshot(bench.workspace)
    assert after.keys() == before.keys() - {"rw/edited"}
    assert after == {path: found for path, found in before.items() if path in after}


async def test_a_folder_with_a_rule_of_its_own_or_too_many_files_keeps_it(contained, bench):
    tree(bench, ruled__file="old", full__file="old", hidden__file="old")
    for number in range(200):
        (bench.workspace / "full" / str(number)).touch()
    rules = {"ruled": "ro", "hidden": "hidden"} | {
        f"{name}/file": "rw" for name in ("ruled", "full", "hidden")
    }
    code = (
        "import os\n"
        "for name in ('ruled', 'full', 'hidden'):\n"
        "    open(name + '/file', 'w').write('new')\n"
        "    try: open(name + '/more', 'w')\n"
        "    except OSError as error: print(error.errno)"
    )
    execution = await contained.run(bench.python(code, role="proposer", files=rules))
    assert execution.stdout.read_text() == "30\n" * 3, execution.stderr.read_text()
    for name in ("ruled", "full", "hidden"):
        assert (bench.workspace / name / "file").read_text() == "new"


async def test_growth_beside_a_writable_file_is_bounded(contained, bench):
    tree(bench, deep__file="old")
    (bench.workspace / "deep" / "large").write_bytes(bytes(4 << 20))
    code = "import time\nfor n in range(9): open(f'deep/{n}', 'wb').write(b'x' * (4 << 20))\ntime.sleep(100)"
    job = bench.python(code, writable=("deep/file",), limits={"disk_bytes": 16 << 20})
    assert (await contained.run(job)).status == "output"


async def test_the_whole_workspace_may_be_writable_but_for_a_part(contained, bench):
    tree(bench, deep__er__kept="kept", deep__free="old")
    code = (
        "import os\n"
        "open('deep/free', 'w').write('new'); open('deep/more', 'w').write('+'); os.unlink('train.py')\n"
        "for act in (lambda: os.rename('deep', 'gone'), lambda: open('deep/er/kept', 'w')):\n"
        "    try: act()\n"
        "    except OSError as error: print(error.errno)"
    )
    execution = await contained.run(bench.python(code, files={".": "rw", "deep/er/kept": "ro"}))
    assert execution.stdout.read_text() == "16\n30\n", execution.stderr.read_text()
    assert (bench.workspace / "deep" / "free").read_text() == "new"
    assert not (bench.workspace / "train.py").exists()
    assert (bench.workspace / "deep" / "er" / "kept").read_text() == "kept"


@pytest.mark.parametrize("rule", ["rw", "ro", "hidden"])
async def test_a_rule_for_nothing_or_for_a_link_is_refused(contained, bench, rule):
    outside = bench.folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (bench.workspace / "folder").symlink_to(outside)
    (bench.workspace / "file").symlink_to(outside / "file")
    for path in ("missing", "file", "folder", "folder/file", "train.py/x"):
        with pytest.raises(SandboxError, match=path):
            await contained.run(bench.python("pass", files={path: rule}))
    os.mkfifo(bench.workspace / "fifo")
    with pytest.raises(SandboxError, match="neither a file nor a folder"):
        await contained.run(bench.python("pass", files={"fifo": rule}))
    assert (outside / "file").stat().st_uid == os.getuid()


async def test_hard_links_that_lead_round_a_rule_are_refused(contained, bench):
    tree(bench, rw__kept="kept", plain="x")
    (bench.workspace / "rw" / "twin").hardlink_to(bench.workspace / "rw" / "kept")
    for rule in ("ro", "hidden"):
        with pytest.raises(SandboxError, match="2 hard links"):
            await contained.run(bench.python("pass", files={"rw": "rw", "rw/kept": rule}))


async def test_a_replacement_from_outside_is_no_success(contained, bench):
    tree(bench, rw__kept="kept")
    code = "import os, time\nopen('rw/ready', 'w')\nwhile not os.path.exists('rw/go'): time.sleep(0.01)"
    job = bench.python(code, files={"rw": "rw", "rw/kept": "ro"})
    running = asyncio.create_task(contained.run(job))
    while not (bench.workspace / "rw" / "ready").exists():
        await asyncio.sleep(0.01)
    (bench.workspace / "rw" / "kept").rename(bench.workspace / "rw" / "was")
    tree(bench, rw__kept="forged")
    (bench.workspace / "rw" / "go").touch()
    with pytest.raises(SandboxError, match="was replaced while the job ran"):
        await running


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {"../x": "ro"}}, "must be relative"),
        ({"files": {"/x": "ro"}}, "must be relative"),
        ({"files": {"a//b": "ro"}}, "plain relative path"),
        ({"files": {"./a": "ro"}}, "plain relative path"),
        ({"files": {"train.py": "r"}}, "'r' is no rule"),
        ({"files": {"train.py": "ro"}, "writable": ("train.py",)}, "is writable and ro"),
        ({"files": {f"f{number}": "ro" for number in range(300)}}, "more than 256 rules"),
        ({"files": {"a\0": "ro"}}, "NUL byte"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(sandbox, bench, changes, message):
    with pytest.raises(SandboxError, match=message):
        await sandbox.run(bench.python("pass", **changes))


async def test_process_refuses_what_it_cannot_hold(bench):
    sandbox = open_sandbox("process")
    with pytest.raises(SandboxError, match="cannot hide train.py") as caught:
        await sandbox.run(bench.python("pass", files={"train.py": "hidden"}))
    assert "bubblewrap" in caught.value.remedy
    with pytest.raises(SandboxError, match="rule for the network"):
        await sandbox.run(bench.python("pass", network_socket=Path("/nowhere")))
    job = bench.python("open('train.py', 'w').write('new')", files={"train.py": "rw"})
    assert (await sandbox.run(job)).status == "ok"
    await sandbox.close()


@pytest.fixture
def way_out(bench):
    """A unix socket of the host that answers every HTTP request with its first line."""
    folder = bench.folder / "out"
    folder.mkdir(mode=0o700)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "any-name"))
    (folder / "any-name").chmod(0o666)
    server.listen()
    server.settimeout(30)
    yield server
    server.close()


async def test_the_way_to_the_network_is_a_socket_of_the_host(contained, bench, way_out):
    def answer() -> None:
        with way_out.accept()[0] as client:
            said = client.recv(4096).split(b"\r\n")[0]
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    code = (
        "import os, socket, urllib.request\n"
        "print(urllib.request.urlopen('http://example.com/x', timeout=20).read().decode())\n"
        "for act in (lambda: os.unlink('/run/lab/network.sock'), \n"
        "            lambda: open('/run/lab/forwarder.py', 'a'),\n"
        "            lambda: os.chmod('/run/lab/network.sock', 0), lambda: open('/run/lab/new', 'w'),\n"
        "            lambda: socket.create_connection(('1.1.1.1', 53), 1)):\n"
        "    try: print('worked', act())\n"
        "    except OSError: pass\n"
        "raise SystemExit(7)"
    )
    path = Path(way_out.getsockname())
    answering = asyncio.create_task(asyncio.to_thread(answer))
    execution = await contained.run(bench.python(code, network_socket=path))
    assert execution.stdout.read_text() == "GET http://example.com/x HTTP/1.1\n", execution.stderr.read_text()
    await answering
    assert (execution.status, execution.exit_code) == ("failed", 7)
    assert "network_none" not in execution.guarantees
    assert (await contained.run(bench.python("pass"))).guarantees.count("network_none") == 1


async def test_what_is_no_way_out_is_refused(contained, bench, way_out):
    plain = bench.folder / "plain"
    plain.write_text("")
    for path, message in (
        (plain, "no unix socket"),
        (bench.folder, "no unix socket"),
        (Path("/no"), "cannot be"),
    ):
        with pytest.raises(SandboxError, match=message):
            await contained.run(bench.python("pass", network_socket=path))
    if "user_split" in contained.guarantees:
        Path(way_out.getsockname()).chmod(0o600)
        with pytest.raises(SandboxError, match="cannot be connected to"):
            await contained.run(bench.python("pass", network_socket=Path(way_out.getsockname())))


PARTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
RULES = st.dictionaries(PARTS | st.just("."), st.sampled_from(["rw", "ro", "hidden"]), max_size=6)


def above(path: str) -> list[str]:
    parts = [] if path == "." else path.split("/")
    return ["/".join(parts[:count]) or "." for count in range(len(parts), -1, -1)]


def mode(path: str, modes: dict[str, str]) -> str:
    return next((modes[place] for place in above(path) if place in modes), "ro")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES, path=PARTS)
def test_the_mounts_say_what_the_rules_say(rules, path):
    mounts = plan(rules)
    by_path = {place: found for place, found, _ in mounts}
    assert mode(path, by_path) == mode(path, {".": "ro", **rules})
    assert len(by_path) == len(mounts)
    for number, (place, _, _) in enumerate(mounts):
        assert not any(other in above(place) for other, _, _ in mounts[number + 1 :])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES)
def test_no_folder_above_what_is_kept_can_be_moved(rules):
    mounted = {place for place, _, _ in plan(rules)}
    for place, found, protected in plan(rules):
        around = [folder for folder in above(place)[1:]]
        inside_writable = bool(around) and mode(around[0], {".": "ro", **rules}) == "rw"
        assert protected == (inside_writable and found != "rw")
        if protected:
            for folder in around:
                if mode(folder, {".": "ro", **rules}) != "rw":
                    break
                assert folder in mounted
    roots = writable_roots(rules)
    assert all(not set(above(root)[1:]) & set(roots) for root in roots)
    assert all(any(root in above(place) for root in roots) for place, rule in rules.items() if rule == "rw")
