"""The servers of `deployments/compose.yaml` as processes of this machine, without containers.

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
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.up.compose import FOLDER, services
from tests.up.conftest import wait_until

SECRETS = {
    "LAB_PASSWORD": "a-password-of-the-test",
    "LAB_DATABASE_PASSWORD": "databasepassword",
    "LAB_REDIS_PASSWORD": "redispassword",
}


def postgres(program: str) -> str | None:
    """A program of PostgreSQL, which Debian keeps out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else shutil.which(program)


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

    def database(self, name: str) -> dict[str, Any]:
        """Where a database is, as `psycopg2.connect` takes it; of the superuser."""
        place = {"host": "127.0.0.1", "port": self.ports["database"], "dbname": name}
        return {**place, "user": "lab", "password": SECRETS["LAB_DATABASE_PASSWORD"]}

    def _sql(self, text: str, database: str) -> bool:
        import psycopg2

        try:
            connection = psycopg2.connect(**self.database(database))
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

    def ask(self, path: str, body: object = None) -> Any:
        """What the API answers to a POST, asked with the credential."""
        secret = base64.b64encode(f"lab:{SECRETS['LAB_PASSWORD']}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        client = {"Prefect-Csrf-Client": "test"}
        ask = urllib.request.Request(f"{self.api}/csrf-token?client=test", headers=headers)
        with urllib.request.urlopen(ask, timeout=60) as answer:
            client["Prefect-Csrf-Token"] = json.load(answer)["token"]
        ask = urllib.request.Request(
            f"{self.api}{path}", json.dumps(body or {}).encode(), {**headers, **client}
        )
        with urllib.request.urlopen(ask, timeout=60) as answer:
            return json.load(answer)

    def schedule(self) -> None:
        """Have a deployment that runs every hour, and that no worker takes."""
        flow = self.ask("/flows/", {"name": "nightly"})["id"]
        hourly = {"schedule": {"interval": 3600}, "active": True}
        self.ask("/deployments/", {"name": "nightly", "flow_id": flow, "schedules": [hourly]})

    def scheduled(self) -> int:
        """How many runs of it are to come."""
        named = {"name": {"any_": ["nightly"]}}
        return int(self.ask("/flow_runs/count", {"flows": named}))


@contextmanager
def production() -> Iterator[Production]:
    """PostgreSQL, Redis, and both databases migrated."""
    # Not below pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="lab-production-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        folder.chmod(0o755)
        stack = Production(folder)
        try:
            stack.start_database()
            stack.start("redis")
            stack.start("mlflow")
            stack.start("migrate")
            assert stack.running["migrate"].wait() == 0, stack.log("migrate")
            yield stack
        finally:
            for each in list(stack.running):
                stack.kill(each)
