"""Runs in one experiment: found by their key, written from drafts, as often as needed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lab_plugin.tracking._drafts import KEY, Draft, Scorer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PARENT = "mlflow.parentRunId"
_PAGE = 1000
_METRICS_PER_BATCH = 900
_CURVE = "curve"


class Found(NamedTuple):
    """A run that is there already; `files` is MLflow's URI of the place of its files."""

    run_id: str
    finished: bool
    parent: str = ""
    files: str = ""


class Runs:
    """Writes are idempotent: the same draft written twice to the same run leaves one and the same run."""

    def __init__(self, client: MlflowClient, experiment: str) -> None:
        self._client = client
        self._experiment = experiment

    def find(self, key: str) -> Found | None:
        """The run with this key."""
        found = self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        return _found(found[0]) if found else None

    def listing(self) -> Iterator[tuple[str, Found]]:
        """Every run with a key, children too, oldest first; 1 to 2 s per thousand."""
        yield from self._pages(f"tags.`{KEY}` != ''")

    def put(
        self, draft: Draft, found: Found | None, files: Mapping[str, bytes | Path], older: str = ""
    ) -> str:
        """Write a run, its files and its children; complete it if it is there.

        Args:
            draft: What it says.
            found: The run that is there, perhaps half written.
            files: Its files.
            older: Id of a run whose files it takes over when it has none of its own.

        Returns:
            The run's id.
        """
        run_id, place = self._write(draft, found, {})
        if draft.scorer is not None:
            self._log_scorer(run_id, draft.scorer)
        if files:
            self._log_files(run_id, place, files)
        elif older:
            self._take_files(run_id, older)
        if draft.children:
            there = dict(self._pages(f"tags.`{_PARENT}` = '{run_id}'")) if found else {}
            for child in draft.children:
                self.end(self._write(child, there.get(child.key), {_PARENT: run_id})[0], child)
        if draft.end:
            self.end(run_id, draft)
        return run_id

    def end(self, run_id: str, draft: Draft) -> None:
        """Set the final status; by this a run counts as wholly written."""
        self._client.set_terminated(run_id, draft.status, draft.end)

    def resume(self, run_id: str) -> None:
        """Set a run to running again."""
        self._client.update_run(run_id, status="RUNNING")

    def extend(self, run_id: str, points: Sequence[tuple[int, int, Mapping[str, float]]]) -> None:
        """Add points (step, time in ms, metrics) to a run's curves."""
        from mlflow.entities import Metric

        values = [
            Metric(key, value, at, step) for step, at, curves in points for key, value in curves.items()
        ]
        for first in range(0, len(values), _METRICS_PER_BATCH):
            self._client.log_batch(run_id, values[first : first + _METRICS_PER_BATCH], synchronous=True)

    def attach(self, run_id: str, files: Mapping[str, bytes | Path]) -> None:
        """Add files to a run, or replace them."""
        self._log_files(run_id, "", files)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        from mlflow.entities import RunTag

        self._client.log_batch(run_id, tags=[RunTag(*pair) for pair in tags.items()], synchronous=True)

    def delete(self, run_id: str) -> None:
        """Delete a run as the UI does: `mlflow gc` removes it for good."""
        self._client.delete_run(run_id)

    def _write(self, draft: Draft, found: Found | None, more: Mapping[str, str]) -> tuple[str, str]:
        from mlflow.entities import Metric, Param, RunTag

        tags = {**draft.tags, **more}
        if found is None:
            run = self._client.create_run(self._experiment, draft.start, tags, draft.name)
            run_id, place, tags = run.info.run_id, run.info.artifact_uri or "", {}
        else:
            run_id, place = found.run_id, found.files
        metrics = [Metric(key, value, draft.end, 0) for key, value in draft.metrics.items()]
        name = _CURVE if _CURVE not in draft.metrics else f"lab_{_CURVE}"
        metrics += [Metric(name, value, draft.end, step) for step, value in draft.curve]
        params = [Param(key, value) for key, value in draft.params.items()]
        if metrics or params or tags:
            pairs = [RunTag(key, value) for key, value in tags.items()]
            self._client.log_batch(run_id, metrics, params, pairs, synchronous=True)
        return run_id, place

    def _pages(self, query: str) -> Iterator[tuple[str, Found]]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                query,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            for run in page:
                yield run.data.tags.get(KEY, ""), _found(run)
            token = page.token
            if not token:
                return

    def _log_scorer(self, run_id: str, scorer: Scorer) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # MLflow holds 36 characters of a digest; the whole one stands in the profile.
        source, profile = json.dumps({"tree": scorer.tree}), json.dumps({"sha256": scorer.digest})
        dataset = Dataset("scorer", scorer.digest[:36] or "none", "git", source, profile=profile)
        self._client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "scorer")])])

    def _log_files(self, run_id: str, place: str, files: Mapping[str, bytes | Path]) -> None:
        if place.startswith("file:///"):
            # Straight into the run's folder: MLflow's own way reads the whole run first, a fifth of the cost.
            _place_all(Path(url2pathname(urlsplit(place).path)), files)
            return
        with tempfile.TemporaryDirectory(prefix="lab-mirror-") as folder:
            _place_all(Path(folder), files)
            self._client.log_artifacts(run_id, folder)

    def _take_files(self, run_id: str, older: str) -> None:
        if self._client.list_artifacts(older):
            with tempfile.TemporaryDirectory(prefix="lab-mirror-") as folder:
                self._client.log_artifacts(run_id, self._client.download_artifacts(older, "", folder))


def _found(run: Run) -> Found:
    finished = run.info.status in ("FINISHED", "FAILED", "KILLED")
    return Found(run.info.run_id, finished, run.data.tags.get(_PARENT, ""), run.info.artifact_uri or "")


def _place_all(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    for name, content in files.items():
        _place(folder, name, content)


def _place(folder: Path, name: str, content: bytes | Path) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"{name!r} is no relative path for an artifact")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        target.write_bytes(content)
    elif content.is_file() and not content.is_symlink():
        shutil.copyfile(content, target)
