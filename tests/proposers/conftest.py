import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.config import CategoricalParameter, FloatParameter, IntParameter
from lab_plugin.proposers import Request, Setup
from lab_plugin.sandbox import Execution, Job, Sandbox


class PlainSandbox(Sandbox):
    """Runs the job as a plain process and fills the execution as the contract says; holds nothing."""

    kind = "plain"
    guarantees = frozenset()

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def probe(self) -> None:
        pass

    async def run(self, job: Job) -> Execution:
        self.jobs.append(job)
        assert not list(job.destination.iterdir())
        made = job.destination / "made"
        made.mkdir()
        environment = {"PATH": os.environ["PATH"], **job.environment}
        environment |= {name: str(path) for name, path in job.inputs.items()}
        environment |= {name: str(made / path) for name, path in job.output_variables.items()}
        stdout, stderr = job.destination / "stdout.log", job.destination / "stderr.log"
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                *job.command,
                cwd=job.workspace / job.directory,
                env=environment,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                code = await asyncio.wait_for(process.wait(), job.limits.wall_seconds)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                code = None
        return self._execution(job, code, made, stdout, stderr)

    def _execution(self, job: Job, code: int | None, made: Path, stdout: Path, stderr: Path) -> Execution:
        outputs, refused = {}, {}
        for name in job.outputs:
            if (made / name).is_symlink():
                refused[name] = "a symbolic link"
            elif not (made / name).exists():
                refused[name] = "missing"
            else:
                outputs[name] = Path(shutil.copy(made / name, job.destination / f"copy-{name}"))
        status = "timeout" if code is None else "ok" if code == 0 else "failed"
        reasons = {
            "timeout": f"ran longer than {job.limits.wall_seconds:g} s",
            "ok": "",
            "failed": f"exit status {code}",
        }
        return Execution(
            status=status,
            reason=reasons[status],
            exit_code=code,
            signal=None,
            wall_seconds=0.0,
            cpu_seconds=None,
            peak_bytes=None,
            stdout=stdout,
            stderr=stderr,
            outputs=outputs,
            refused=refused,
            sandbox=self.kind,
            guarantees=(),
        )

    async def close(self) -> None:
        pass


@pytest.fixture
def sandbox() -> PlainSandbox:
    return PlainSandbox()


@pytest.fixture
def floats() -> dict[str, object]:
    return {
        "x": FloatParameter(type="float", low=-5.0, high=5.0),
        "y": FloatParameter(type="float", low=-5.0, high=5.0),
    }


@pytest.fixture
def mixed() -> dict[str, object]:
    return {
        "lr": FloatParameter(type="float", low=1e-5, high=1e-1, log=True),
        "dropout": FloatParameter(type="float", low=0.0, high=0.9, step=0.1),
        "hidden": IntParameter(type="int", low=16, high=256, log=True),
        "layers": IntParameter(type="int", low=1, high=9, step=2),
        "solver": CategoricalParameter(type="categorical", choices=["adam", "sgd"]),
        "odd": CategoricalParameter(type="categorical", choices=[False, 2, 2.5, "2"]),
    }


@pytest.fixture
def setup(sandbox: PlainSandbox, floats: dict[str, object]) -> Callable[..., Setup]:
    def make(**changes: object) -> Setup:
        values = {"settings": {}, "space": floats, "goal": "maximize", "sandbox": sandbox, "seed": 3}
        return Setup(**{**values, **changes})

    return make


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., Request]:
    def make(number: int = 1, **changes: object) -> Request:
        destination = tmp_path / "logs" / f"{number:04d}"
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
        values = {"lab": "digits", "number": number, "parent": "a" * 40, "workspace": None}
        return Request(**{**values, "destination": destination, "metric": "accuracy", **changes})

    return make
