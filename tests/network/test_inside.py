"""From a real sandbox without a network, through the forwarder and the proxy, to a real server."""

import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.network import FORWARDER, Injection
from lab_plugin.sandbox import BubblewrapSandbox, Execution, Job, Limits

SECRET = "sk-very-secret-4711"

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


async def run_inside(lab: Any, tmp_path: Path, code: str, number: int = 0) -> tuple[Execution, str]:
    """Run a program as the lab does: no network, but the socket and the forwarder."""
    workspace, destination = tmp_path / f"workspace{number}", tmp_path / f"destination{number}"
    workspace.mkdir(mode=0o755)
    destination.mkdir()
    (workspace / "program.py").write_text(textwrap.dedent(code))
    inside = "/lab/inputs"
    socket_path = f"{inside}/LAB_NETWORK/{lab.folder.name}/network.sock"
    forwarder = f"{inside}/LAB_FORWARDER/{FORWARDER.name}"
    sandbox = BubblewrapSandbox()
    try:
        execution = await sandbox.run(
            Job(
                name=f"network-{number}",
                role="candidate",
                command=("python", "-I", "-S", forwarder, socket_path, "--", "python", "program.py"),
                workspace=workspace,
                destination=destination,
                limits=Limits(wall_seconds=60),
                inputs={
                    "LAB_NETWORK": lab.folder,
                    "LAB_FORWARDER": FORWARDER,
                    "SSL_CERT_FILE": lab.authority.ca,
                },
            )
        )
    finally:
        await sandbox.close()
    return execution, execution.stdout.read_text() + execution.stderr.read_text()


async def test_allowed_hosts_work_with_ordinary_clients_and_others_do_not(
    make_lab_network: Any, web: Any, tmp_path: Path
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", f"other.test:{web.port}", "!other.test")
    execution, said = await run_inside(
        lab,
        tmp_path,
        f"""
        import httpx, urllib.error, urllib.request
        print(urllib.request.urlopen("https://good.test:{web.port}/").read())
        print(httpx.get("https://good.test:{web.port}/", timeout=50).text)
        for address in ("https://other.test:{web.port}/", "https://good.test/", "https://127.0.0.1:{web.port}/"):
            try:
                urllib.request.urlopen(address)
            except urllib.error.URLError as error:
                print(error.reason)
            try:
                httpx.get(address, timeout=50)
            except httpx.ProxyError as error:
                print("httpx", error)
        """,
    )
    assert execution.status == "ok", said
    assert said.splitlines() == [
        f"b'hello from good.test:{web.port}'",
        f"hello from good.test:{web.port}",
        *["Tunnel connection failed: 403 Refused", "httpx 403 Refused"] * 3,
    ]
    lines = await lab.end(8)
    assert [line["verdict"] for line in lines].count("allowed") == 2


async def test_direct_connections_fail(
    make_lab_network: Any, web: Any, listener: Any, tmp_path: Path
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    execution, said = await run_inside(
        lab,
        tmp_path,
        f"""
        import os, socket
        names = os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net") else ["lo"]
        reached = []
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", {listener.port})),
            (socket.AF_INET, ("10.0.0.1", 443)),
            (socket.AF_INET, ("192.0.2.1", 443)),
            (socket.AF_INET6, ("2001:db8::1", 443)),
            (socket.AF_INET6, ("::1", {listener.port})),
        ):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    with socket.socket(family, kind) as s:
                        s.settimeout(5)
                        s.connect(address)
                        s.sendall(b"x")
                    if kind == socket.SOCK_STREAM or not address[0] in ("127.0.0.1", "::1"):
                        reached.append(address)
                except OSError:
                    pass
        try:
            socket.getaddrinfo("good.test", 443)
            reached.append("names")
        except OSError:
            pass
        print(reached)
        """,
    )
    assert execution.status == "ok", said
    assert said.strip() == "[]"
    assert listener.connections == []


async def test_a_secret_is_used_inside_and_is_nowhere_inside(
    make_lab_network: Any, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", SECRET)
    injection = Injection(
        host="good.test", header="Authorization", value_from_env="API_KEY", prefix="Bearer ", port=web.port
    )
    lab = await make_lab_network(f"good.test:{web.port}", injections=[injection])
    execution, said = await run_inside(
        lab,
        tmp_path,
        """
        import glob, httpx, os, urllib.request
        print(urllib.request.urlopen("http://good.test/one").status)
        mine = {"Authorization": "mine"}
        with httpx.stream("GET", "http://good.test/events-at-once", headers=mine, timeout=50) as answer:
            print(*(line for line in answer.iter_lines() if line))
        print(httpx.post("http://good.test/two", content=b"x" * 300000, timeout=50).text == "x" * 300000)
        print(httpx.get("http://good.test/moved", timeout=50).headers["location"])
        secret = "sk-very-secret" + "-4711"
        found = [name for name, value in os.environ.items() if secret in value]
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                found += [path] * (secret.encode() in open(path, "rb").read())
            except OSError:
                pass
        print(found)
        """,
    )
    assert execution.status == "ok", said
    assert said.splitlines() == [
        "200",
        "data: event 0 data: event 1 data: event 2",
        "True",
        "https://other.test/",
        "[]",
    ]
    assert [dict(headers)["Authorization"] for _, _, headers, _ in web.seen] == [f"Bearer {SECRET}"] * 4
    lines = await lab.end(4)
    assert len(lines) == 4
    assert SECRET not in lab.log.read_text()


async def test_the_socket_cannot_be_changed_from_inside(
    make_lab_network: Any, web: Any, tmp_path: Path
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    execution, said = await run_inside(
        lab,
        tmp_path,
        """
        import os
        path = os.environ["LAB_NETWORK"] + "/network.sock"
        for act in (lambda: os.unlink(path), lambda: os.chmod(path, 0), lambda: os.rename(path, path + "x")):
            try:
                act()
                print("changed")
            except OSError:
                pass
        """,
    )
    assert (execution.status, said) == ("ok", "")


async def test_a_program_that_misbehaves_ends_as_without_a_network(
    make_lab_network: Any, web: Any, tmp_path: Path
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    code = "import os, subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True); os._exit(3)"
    execution, _ = await run_inside(lab, tmp_path, code)
    assert (execution.status, execution.exit_code) == ("failed", 3)
    killed, _ = await run_inside(lab, tmp_path, "import os; os.kill(os.getpid(), 9)", 1)
    assert (killed.status, killed.signal) == ("failed", 9)
    flood = """
    import os, socket
    port = int(os.environ["HTTP_PROXY"].rpartition(":")[2])
    held = []
    try:
        for _ in range(2000):
            s = socket.create_connection(("127.0.0.1", port), 1)
            s.sendall(b"x" * 10000)
            held.append(s)
    except OSError:
        pass
    os.kill(os.getppid(), 9)
    """
    flooded, _ = await run_inside(lab, tmp_path, flood, 2)
    assert flooded.status == "failed"
    after, said = await run_inside(
        lab,
        tmp_path,
        f"import httpx; print(httpx.get('https://good.test:{web.port}/', timeout=50).status_code)",
        3,
    )
    assert (after.status, said) == ("ok", "200\n")
