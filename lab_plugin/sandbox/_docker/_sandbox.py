"""The sandbox for hostile programs on a Docker engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._contract import Execution, Job, Limits, Sandbox
from lab_plugin.sandbox._docker import _config
from lab_plugin.sandbox._docker._ahead import Ahead
from lab_plugin.sandbox._docker._alike import alike
from lab_plugin.sandbox._docker._binds import Mount, Workspace, edits, mounts, open_workspace
from lab_plugin.sandbox._docker._engine import Engine
from lab_plugin.sandbox._docker._filters import filters
from lab_plugin.sandbox._docker._image import find_image
from lab_plugin.sandbox._docker._probe import unfounded
from lab_plugin.sandbox._docker._reap import reap
from lab_plugin.sandbox._docker._run import Order, Ran, Run
from lab_plugin.sandbox._docker._verdict import execution
from lab_plugin.sandbox._facts import PROGRAM
from lab_plugin.sandbox._interpreter import outermost, require_separate
from lab_plugin.sandbox._launched import check

_PROBE_SECONDS = 30.0
_MOST_JOBS = 256
_HELD = ("disk_quota", "network_none", "pid_namespace", "read_only_root", "seccomp", "user_split")


class DockerSandbox(Sandbox):
    """One hardened container per job, of an image pinned by its digest. Nothing is ever pulled.

    No network, a read-only root, no capability, no new privileges, a user per role, the engine's filter of
    system calls and the lab's own; limits of memory (without swap), processes and CPU by control groups.
    `/tmp` with the output folder in it, and `/dev/shm`, are the only writable places; three quarters and
    one quarter of the job's disk limit.

    **The end.** A process of the lab is the container's first: it ends with everything in it when its
    stdin ends, which is when this process dies, or when it hears nothing for half a minute, which is when
    the engine dies too; and it ends the program at its wall limit by itself. The program cannot reach it.
    What was made and never started is removed by the next start (`reap`).

    **No container is used twice.** Files, System V objects, locks, caches and processes of a user outlive a
    program in its container, and only a new one proves that nothing passes from one job to the next. So what
    is warm is a new one as well, made ahead (`Ahead`).

    Args:
        python: Interpreter inside the image that `python` means; None for the one on the image's PATH.
            Its folder comes first on the PATH.
        mounts: Further host folders that programs may read at their own paths.
        image: Name, `name@sha256:...` or id of an image that the engine has; None for the Dockerfile's,
            or else for the one made from the Dockerfile that the lab ships.
        dockerfile: The lab's own Dockerfile.

    Attributes:
        image_id: The digest of the image that every job of this sandbox runs in.

    Raises:
        SandboxUnavailable: No engine, no permission, no image; the remedy says what to do.
        SandboxError: The image or a mount cannot be used.
    """

    kind = "docker"

    def __init__(
        self,
        *,
        python: Path | None = None,
        mounts: Sequence[Path] = (),
        image: str | None = None,
        dockerfile: Path | None = None,
    ) -> None:
        self._python = str(python) if python else "python"
        self._shown = outermost(Path(os.path.abspath(path)) for path in mounts)
        self._filters = filters()
        self._engine = Engine()
        self._image = find_image(self._engine, image, dockerfile)
        self.image_id = self._image.identity
        self.guarantees = _guarantees(self._engine)
        self._ahead = Ahead(self._engine)
        self._threads: ThreadPoolExecutor | None = None
        self._sweeping = Lock()
        self._swept = False

    async def probe(self) -> None:
        """See `Sandbox.probe`: what a program finds inside must bear out each guarantee."""
        with TemporaryDirectory(prefix="lab-probe-") as folder:
            workspace, destination = Path(folder, "workspace"), Path(folder, "destination")
            workspace.mkdir(mode=0o755)
            destination.mkdir()
            job = Job(
                name="probe",
                role="candidate",
                command=("python", "-c", PROGRAM),
                workspace=workspace,
                destination=destination,
                limits=Limits(wall_seconds=_PROBE_SECONDS),
            )
            self._judge(job, await self.run(job))

    def _judge(self, job: Job, probed: Execution) -> None:
        said = probed.stdout.read_text(errors="replace").strip()
        if probed.status != "ok" or not said:
            warned = probed.stderr.read_text(errors="replace").strip()
            raise SandboxUnavailable(
                f"docker: python does not run in image {self._image.name}: {probed.reason}\n{warned}",
                "Build an image with a `python` on its PATH, or set [sandbox] python to one inside it.",
            )
        uid = _config.who(job, self._engine).uid
        if missing := unfounded(self.guarantees, said.splitlines()[-1], uid, job.limits.disk_bytes):
            raise SandboxUnavailable(
                f"docker: a program inside found that this does not hold: {', '.join(missing)}",
                "Update the engine; look at its configuration (/etc/docker/daemon.json).",
            )

    async def run(self, job: Job) -> Execution:
        """See `Sandbox.run`."""
        check(job)
        for private in (job.workspace, job.destination):
            require_separate(self._shown, Path(os.path.abspath(private)))
        user = _config.who(job, self._engine)
        with ExitStack() as stack:
            workspace = open_workspace(job, user.uid if user.given else None, stack)
            shown = mounts(workspace, self._shown, self._engine.version)
            order = self._order(job, user, workspace, shown)
            run = Run(self._engine, self._ahead, order)
            stack.callback(run.close)
            ran = await self._in_thread(run)
        return execution(job, ran, self.kind, self.guarantees - _lost(job, user))

    async def reap(self) -> list[str]:
        """Remove the containers of labs that died before they could; done before the first job by itself.

        Returns:
            Their names.

        Raises:
            SandboxUnavailable: The engine failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool(), reap, self._engine)

    async def close(self) -> None:
        """See `Sandbox.close`."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(self._ahead.close)
        self._engine.close()

    async def _in_thread(self, run: Run) -> Ran:
        """Hold a run; a cancelled caller still waits, for nothing may be alive when `run` ends."""
        future = asyncio.get_running_loop().run_in_executor(self._pool(), self._hold, run)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError:
                cancelled = True
                run.cancel()
        if cancelled:
            # Looked at, so that nobody complains of an error that no longer matters.
            future.exception()
            raise asyncio.CancelledError
        return future.result()

    def _order(self, job: Job, user: _config.Who, workspace: Workspace, shown: list[Mount]) -> Order:
        config = _config.container(job, self._image, user, shown, self._engine, python=self._python)
        setup = _config.setup(workspace, self._image, self._filters, self._python)
        return Order(job, _config.name(job), config, setup, workspace, alike(job, config))

    def _hold(self, run: Run) -> Ran:
        with self._sweeping:
            if not self._swept:
                reap(self._engine)
                self._swept = True
        return run.hold()

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST_JOBS, thread_name_prefix="lab-docker")
        return self._threads


def _guarantees(engine: Engine) -> frozenset[str]:
    # Without control over swap, a job could take more than its memory limit.
    counted = engine.facts.get("MemoryLimit") and engine.facts.get("SwapLimit")
    return frozenset(_HELD) | ({"memory_total", "oom_detected"} if counted else set())


def _lost(job: Job, user: _config.Who) -> set[str]:
    """What the sandbox guarantees, but not for this job."""
    # What is edited in place lies on the host's disk: its growth is watched, not bounded.
    found = {"disk_quota"} if edits(job) else set()
    if job.network_socket:
        found.add("network_none")
    return found if user.split else found | {"user_split"}
