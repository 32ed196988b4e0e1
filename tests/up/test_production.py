"""The servers of `deployments/compose.yaml`, run here without containers: a campaign loses nothing on them.

PostgreSQL and Redis are Debian's, started as an ordinary user, on free ports, in a temporary folder.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.local_api import healthy
from tests.conftest import git
from tests.program import LAB
from tests.up.compose import FOLDER, services
from tests.up.conftest import free_port, wait_until

IDEAS = 6
SECRETS = {
    "LAB_PASSWORD": "a-password-of-the-test",
    "LAB_DATABASE_PASSWORD": "databasepassword",
    "LAB_REDIS_PASSWORD": "redispassword",
}
MARK = "LAB_TEST_PRODUCTION"


def postgres(program: str) -> str | None:
    """A program of PostgreSQL, which Debian keeps out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else shutil.which(program)


pytestmark = pytest.mark.skipif(
    os.environ.get(MARK) != "1" and not (postgres("initdb") and shutil.which("redis-server")),
    reason=f"PostgreSQL and Redis are not installed; {MARK}=1 insists on them",
)


class Production:
    """The programs of the file, each a process of this test.

    Args:
        folder: Readable for the ordinary user.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("database", "redis", "prefect", "mlflow")}
        replace = {
            "@database:5432": f"@127.0.0.1:{self.ports['database']}",
            "@redis:6379": f"@127.0.0.1:{self.ports['redis']}",
            "0.0.0.0": "127.0.0.1",
            "4200": str(self.ports["prefect"]),
            "5000": str(self.ports["mlflow"]),
            "/artifacts": str(folder / "artifacts"),
            "dir /data": f"dir {folder}\n        port {self.ports['redis']}\n        bind 127.0.0.1",
        }
        self.services = services(SECRETS, replace)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.api = f"http://127.0.0.1:{self.ports['prefect']}/api"
        self.mlflow = f"http://127.0.0.1:{self.ports['mlflow']}"

    def start(self, name: str) -> None:
        """Start a service as the file says."""
        service = self.services[name]
        command = list(service["command"])
        if command[0] in ("prefect", "mlflow"):
            command = [sys.executable, "-m", *command]
        home = {"PREFECT_HOME": str(self.folder / name), "HOME": str(self.folder), "DO_NOT_TRACK": "1"}
        home["PREFECT_SERVER_UI_STATIC_DIRECTORY"] = str(self.folder / name / "ui")
        self._run(name, command, {**home, **service["environment"]}, user=name == "redis")

    def start_database(self) -> None:
        """What the image of PostgreSQL does: a cluster with the owner's password, then the file's SQL."""
        data, secret = self.folder / "data", self.folder / "password"
        secret.write_text(SECRETS["LAB_DATABASE_PASSWORD"])
        owner = self.services["database"]["environment"]["POSTGRES_USER"]
        make = [str(postgres("initdb")), "-D", str(data), "-U", owner, "--pwfile", str(secret)]
        self._run("initdb", [*make, "--auth=scram-sha-256", "--no-sync"], {}, user=True).wait()
        serve = [str(postgres("postgres")), "-D", str(data), "-p", str(self.ports["database"]), "-k", ""]
        self._run("database", [*serve, "-h", "127.0.0.1", "-c", "fsync=off"], {}, user=True)
        wait_until(lambda: self._sql("SELECT 1", "postgres"), "PostgreSQL answers")
        self._sql(f"CREATE DATABASE {self.services['database']['environment']['POSTGRES_DB']}", "postgres")
        self._sql((FOLDER / "postgres-init.sql").read_text(), "prefect")

    def _sql(self, text: str, database: str) -> bool:
        import psycopg2

        address = {"host": "127.0.0.1", "port": self.ports["database"], "dbname": database}
        try:
            connection = psycopg2.connect(user="lab", password=SECRETS["LAB_DATABASE_PASSWORD"], **address)
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(text)
        return True

    def _run(
        self, name: str, command: list[str], environment: dict[str, str], user: bool
    ) -> subprocess.Popen[bytes]:
        if user and os.getuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def kill(self, name: str) -> None:
        """End a service and what it started, on the spot."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def mlflow_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.mlflow}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def count(self, path: str) -> int:
        """How many the API knows, asked with the credential."""
        secret = base64.b64encode(f"lab:{SECRETS['LAB_PASSWORD']}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        client = {"Prefect-Csrf-Client": "test"}
        ask = urllib.request.Request(f"{self.api}/csrf-token?client=test", headers=headers)
        with urllib.request.urlopen(ask, timeout=60) as answer:
            client["Prefect-Csrf-Token"] = json.load(answer)["token"]
        ask = urllib.request.Request(f"{self.api}{path}", b"{}", {**headers, **client})
        with urllib.request.urlopen(ask, timeout=60) as answer:
            return int(answer.read())


@pytest.fixture
def production() -> Iterator[Production]:
    """PostgreSQL, Redis, and both databases migrated."""
    # Not below pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="lab-production-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        folder.chmod(0o755)
        production = Production(folder)
        try:
            production.start_database()
            production.start("redis")
            production.start("mlflow")
            production.start("migrate")
            assert production.running["migrate"].wait() == 0, production.log("migrate")
            yield production
        finally:
            for each in list(production.running):
                production.kill(each)


def test_a_campaign_outlives_its_servers(
    production: Production, make_lab: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    for name in ("server", "services"):
        production.start(name)
    wait_until(lambda: healthy(production.api), "the server answers")
    wait_until(production.mlflow_answers, "MLflow answers")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{production.api}/admin/version")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{production.mlflow}/version")

    folder = make_lab()
    program = folder / "candidate.py"
    program.write_text("import time\ntime.sleep(0.3)\n" + program.read_text())
    git(folder, "commit", "-qam", "Take a moment")
    worker = production.services["worker"]["environment"]
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PREFECT_API_URL": production.api,
        "PREFECT_API_AUTH_STRING": worker["PREFECT_API_AUTH_STRING"],
        "MLFLOW_TRACKING_URI": production.mlflow,
        "MLFLOW_TRACKING_USERNAME": worker["MLFLOW_TRACKING_USERNAME"],
        "MLFLOW_TRACKING_PASSWORD": worker["MLFLOW_TRACKING_PASSWORD"],
    }

    def lab(*arguments: str) -> str:
        done = subprocess.run([LAB, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ideas() -> int:
        return len(git(folder, "for-each-ref", "refs/heads/lab/*/ideas/**").splitlines())

    lab("lock")
    production.kill("mlflow")
    with (tmp_path / "run.log").open("w") as log:
        command = [LAB, "run", "-n", str(IDEAS), "--json"]
        campaign = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
    wait_until(lambda: ideas() >= 1 or campaign.poll() is not None, "an idea is decided")
    assert campaign.poll() is None, (tmp_path / "run.log").read_text()
    production.kill("server")
    assert not healthy(production.api)
    production.start("server")
    wait_until(lambda: ideas() >= 3 or campaign.poll() is not None, "the campaign goes on")
    production.start("mlflow")
    out, _ = campaign.communicate()
    assert campaign.returncode == 0, (tmp_path / "run.log").read_text()

    document = json.loads(out)
    assert "Error" not in production.log("services"), production.log("services")
    assert [idea["number"] for idea in document["ideas"]] == list(range(1, IDEAS + 1))
    assert all(idea["verdict"] in ("kept", "reverted") for idea in document["ideas"])
    wait_until(production.mlflow_answers, "MLflow answers again")
    synced = json.loads(lab("sync", "--json"))
    assert synced["failed"] == 0
    again = json.loads(lab("sync", "--json"))
    assert (again["written"], again["failed"]) == (0, 0), "MLflow has all of it"
    assert runs_of(production, environment) == IDEAS
    assert production.count("/flow_runs/count") >= IDEAS + 1, "and Prefect its runs"


def runs_of(production: Production, environment: dict[str, str]) -> int:
    """Ideas that MLflow shows."""
    program = (
        "import sys\nfrom mlflow import MlflowClient\nclient = MlflowClient(sys.argv[1])\n"
        "ids = [each.experiment_id for each in client.search_experiments()]\n"
        "found = client.search_runs(ids, max_results=1000)\n"
        "print(len([run for run in found if run.data.tags.get('lab.verdict') in ('kept', 'reverted')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, production.mlflow], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
