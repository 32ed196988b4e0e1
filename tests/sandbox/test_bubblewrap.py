"""What only bubblewrap holds: nothing of the host can be read, reached or changed."""

import os
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox import BubblewrapSandbox


async def test_workspace_inputs_and_root_are_read_only(bubblewrap, bench):
    data = bench.folder / "data"
    data.mkdir()
    (data / "rows").write_text("1")
    code = (
        "import os\n"
        "targets = ['train.py', 'new', os.environ['LAB_DATA']+'/rows', os.environ['LAB_DATA']+'/new',\n"
        "    '/new', '/lab/new', '/etc/passwd', '/usr/new', '/dev/new', '/etc/new', '/lab/inputs/new']\n"
        "for target in targets:\n"
        "    try: open(target, 'a')\n"
        "    except OSError: continue\n"
        "    print('wrote', target)\n"
        "for change in (lambda: os.rename('train.py', 'x'), lambda: os.chmod('train.py', 0o777),\n"
        "               lambda: os.unlink('train.py'), lambda: os.link('train.py', '/tmp/x')):\n"
        "    try: change()\n"
        "    except OSError: continue\n"
        "    print('changed')\n"
        "open('/tmp/a','w'); open('/dev/shm/b','w'); open('/dev/null','w').write('x')"
    )
    execution = await bubblewrap.run(bench.python(code, inputs={"LAB_DATA": data}))
    assert (execution.status, execution.stdout.read_text()) == ("ok", ""), execution.stderr.read_text()


async def test_there_is_no_network(bubblewrap, bench):
    code = (
        "import socket\n"
        "print([name for _, name in socket.if_nameindex()])\n"
        "try: socket.create_connection(('1.1.1.1', 53), 2)\n"
        "except OSError as error: print('unreachable')"
    )
    execution = await bubblewrap.run(bench.python(code))
    assert execution.stdout.read_text() == "['lo']\nunreachable\n"


async def test_processes_and_files_of_the_host_are_not_seen(bubblewrap, bench):
    code = (
        "import os\n"
        "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))\n"
        "print(sorted(os.listdir('/')), os.listdir('/tmp'), sorted(os.listdir('/lab')))\n"
        f"print(os.path.exists({str(bench.folder)[::-1]!r}[::-1]), os.path.exists('/etc/shadow'))\n"
        f"print({str(bench.folder)[::-1]!r}[::-1] in open('/proc/1/cmdline').read())\n"
        "print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))\n"
        "print(os.getcwd(), os.getgroups() in ([], [os.getgid()]), end='')\n"
        "print(open('/proc/self/status').read().split('CapEff:')[1][:17])"
    )
    lines = (await bubblewrap.run(bench.python(code))).stdout.read_text().splitlines()
    assert lines[0] == "[1, 2]"
    shown = {"bin", "dev", "etc", "lab", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr"}
    shown |= {Path(prefix).parts[1] for prefix in (sys.prefix, sys.base_prefix)}
    root = set(eval(lines[1].split("]")[0] + "]"))
    assert root <= shown
    # An interpreter that lies under /tmp is seen there, and nothing else is.
    prefixes = [Path(prefix) for prefix in (sys.prefix, sys.base_prefix)]
    beneath = {prefix.parts[2] for prefix in prefixes if prefix.is_relative_to("/tmp")}
    _, temporary, own = (set(eval(part + "]")) for part in lines[1].split("]")[:3])
    assert temporary <= beneath
    assert own in ({"inputs", "outputs", "workspace"}, {"outputs", "workspace"})
    assert lines[2] == "False False"
    assert lines[3] == "False"
    assert lines[4] == "['0', '1', '2'] 4"
    assert lines[5].startswith("/lab/workspace")
    assert lines[5].endswith("0000000000000000")


async def test_roles_are_users_of_their_own(bubblewrap, bench):
    users = set()
    for role in ("candidate", "scorer", "proposer"):
        execution = await bubblewrap.run(
            bench.python("import os; print(os.getuid(), os.getgid())", role=role)
        )
        users.add(execution.stdout.read_text())
    if "user_split" in bubblewrap.guarantees:
        assert len(users) == 3
        assert "0 0\n" not in users
    else:
        assert users == {f"{os.getuid()} {os.getgid()}\n"}


async def test_all_storage_together_has_one_size(bubblewrap, bench):
    code = (
        "import os\n"
        "total = 0\n"
        "for folder in ('/tmp', '/dev/shm', os.environ['LAB_OUTPUTS']):\n"
        "    with open(folder + '/fill', 'wb', 0) as file:\n"
        "        try:\n"
        "            for _ in range(4): total += file.write(b'x' * (1 << 20))\n"
        "        except OSError as error: print(error.errno)\n"
        "print(total >> 20); raise SystemExit(total < 9 << 20)"
    )
    execution = await bubblewrap.run(bench.python(code, limits={"disk_bytes": 8 << 20}))
    assert execution.status == "output"
    assert execution.stdout.read_text().split()[-1] in ("7", "8")
    assert execution.reason == f"failed with its {8 << 20:,} bytes of storage full"


async def test_a_full_storage_that_a_program_bears_is_no_failure(bubblewrap, bench):
    code = "import os\ntry: open('/tmp/fill', 'wb').write(b'x' * (9 << 20))\nexcept OSError: pass"
    assert (await bubblewrap.run(bench.python(code, limits={"disk_bytes": 8 << 20}))).status == "ok"


async def test_writable_paths_are_not_followed(bubblewrap, bench):
    outside = bench.folder / "outside"
    outside.write_text("kept")
    (bench.workspace / "link").symlink_to(outside)
    (bench.workspace / "twin").hardlink_to(outside)
    with pytest.raises(SandboxError, match="link"):
        await bubblewrap.run(bench.python("pass", writable=("link",)))
    if "user_split" in bubblewrap.guarantees:
        with pytest.raises(SandboxError, match="2 hard links"):
            await bubblewrap.run(bench.python("pass", writable=("twin",)))
    assert outside.stat().st_uid == os.getuid()


async def test_links_in_a_writable_folder_do_not_carry_ownership_out(bubblewrap, bench):
    outside = bench.folder / "outside"
    outside.write_text("kept")
    (bench.workspace / "src").mkdir()
    (bench.workspace / "src" / "link").symlink_to(outside)
    code = "import os; print(os.path.exists('src/link')); os.chmod('src', 0o755); open('src/new','w')"
    execution = await bubblewrap.run(bench.python(code, role="proposer", writable=("src",)))
    assert execution.stdout.read_text() == "False\n"
    assert outside.stat().st_uid == os.getuid()
    assert (bench.workspace / "src" / "new").exists()


async def test_a_workspace_that_others_cannot_read_is_refused_with_the_remedy(bubblewrap, bench):
    bench.workspace.chmod(0o700)
    if "user_split" not in bubblewrap.guarantees:
        assert (await bubblewrap.run(bench.python("pass"))).status == "ok"
        return
    with pytest.raises(SandboxError, match="umask 022"):
        await bubblewrap.run(bench.python("pass"))


async def test_an_interpreter_below_closed_folders(bench):
    closed = bench.folder / "closed"
    closed.mkdir(mode=0o700)
    venv.create(closed / "env", symlinks=True)
    sandbox = BubblewrapSandbox(python=closed / "env" / "bin" / "python")
    execution = await sandbox.run(bench.python("import sys; print(sys.prefix)"))
    await sandbox.close()
    assert execution.stdout.read_text() == f"{closed / 'env'}\n", execution.stderr.read_text()


async def test_python_means_the_chosen_one_whatever_its_file_is_called(bench):
    folder = bench.folder / "env"
    venv.create(folder, symlinks=True)
    odd = folder / "bin" / "odd-python"
    odd.symlink_to(os.path.realpath(sys.executable))
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/bin/false")
    sandbox = BubblewrapSandbox(python=odd)
    execution = await sandbox.run(bench.python("print(1)"))
    await sandbox.close()
    assert execution.stdout.read_text() == "1\n"


async def test_further_mounts_are_shown_at_their_own_paths(bench):
    data = bench.folder / "shared"
    data.mkdir()
    (data / "model").write_text("weights")
    sandbox = BubblewrapSandbox(mounts=(data,))
    execution = await sandbox.run(bench.python(f"print(open({str(data / 'model')!r}).read())"))
    await sandbox.close()
    assert execution.stdout.read_text() == "weights\n"


async def test_a_mount_that_holds_the_labs_files_is_refused(bench):
    sandbox = BubblewrapSandbox(mounts=(bench.folder,))
    with pytest.raises(SandboxError, match="lies in it"):
        await sandbox.run(bench.python("pass"))
    await sandbox.close()


async def test_a_missing_mount_or_input_is_named(bubblewrap, bench):
    job = bench.python("pass")
    with pytest.raises(SandboxError, match="LAB_DATA /nowhere cannot be opened: No such file"):
        await bubblewrap.run(replace(job, inputs={"LAB_DATA": Path("/nowhere")}))


async def test_a_bubblewrap_that_fails_says_why(bench, monkeypatch):
    broken = bench.folder / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")
    sandbox = BubblewrapSandbox()
    with pytest.raises(SandboxUnavailable) as caught:
        await sandbox.probe()
    await sandbox.close()
    assert caught.value.remedy


def test_a_missing_bubblewrap_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable) as caught:
        BubblewrapSandbox()
    assert "apt-get install bubblewrap" in caught.value.remedy
