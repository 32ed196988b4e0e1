"""Runs of an MLflow experiment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lab_plugin.errors import ImportingError, LabError
from lab_plugin.importing._databases import copied, database_of
from lab_plugin.importing._limits import ROWS
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._naming import shown_address
from lab_plugin.importing._reading import Reading, Unfinished, Wish
from lab_plugin.importing._row import BadRow, Row
from lab_plugin.tracking import Store, connect, quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_PAGE = 1000
_TRIES = ("", "idea", "point")
_FILES = "MLFLOW_ALLOW_FILE_STORE"
_Answer = TypeVar("_Answer")


@contextmanager
def open_experiment(wish: Wish, mapper: Mapper, own: str) -> Iterator[Reading]:
    """Open an experiment; a SQLite store is read from a copy.

    Args:
        wish: What is to be imported.
        mapper: Makes rows.
        own: Identity of the lab, whose own mirror is refused.

    Raises:
        ImportingError: There is no such experiment, or MLflow cannot read the store.
    """
    with quiet(), _address(wish.where) as address:
        client = connect(Store(address))
        experiment = _asked(wish.where, lambda: _chosen(client, wish))
        if experiment.tags.get("lab.id") == own:
            raise ImportingError(
                f"The experiment {experiment.name} is the mirror of this lab itself.",
                "Its ideas are in the ledger already; name another experiment.",
            )
        yield Reading(
            form="mlflow",
            source=f"{shown_address(wish.where)} experiment {experiment.name}",
            metric=mapper.metric,
            goal=None,
            rows=_rows(client, experiment.experiment_id, wish.where, mapper),
        )


@contextmanager
def _address(where: str) -> Iterator[str]:
    folder = _folder(where)
    if folder is not None:
        before = os.environ.get(_FILES)
        # MLflow reads folders only for those who insist.
        os.environ[_FILES] = "true"
        try:
            yield folder.resolve().as_uri()
        finally:
            os.environ.pop(_FILES) if before is None else os.environ.update({_FILES: before})
        return
    database = database_of(where)
    if database is None:
        yield where
        return
    with copied(database) as address:
        yield address


def _folder(where: str) -> Path | None:
    """The folder of a store of files; None for another kind of store."""
    parts = urlsplit(where)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
    elif "://" in where or not Path(where).is_dir():
        return None
    else:
        path = Path(where)
    if not any(path.glob("*/meta.yaml")):
        raise ImportingError(
            f"{path} is no MLflow store: no experiment is in it.", "Name its folder `mlruns`."
        )
    return path


def _chosen(client: MlflowClient, wish: Wish) -> Experiment:
    if wish.experiment:
        found = client.get_experiment_by_name(wish.experiment)
        if found is not None:
            return found
    every = client.search_experiments(max_results=100)
    if not wish.experiment:
        others = [each for each in every if each.name != "Default"]
        if len(others) == 1:
            return others[0]
    what = f"no experiment {wish.experiment!r}" if wish.experiment else "more than one experiment, or none"
    names = ", ".join(each.name[:60] for each in every[:20]) or "none"
    raise ImportingError(
        f"{shown_address(wish.where)} has {what}; it has: {names}.", "Name one: --experiment NAME."
    )


def _rows(
    client: MlflowClient, experiment: str, where: str, mapper: Mapper
) -> Iterator[Row | BadRow | Unfinished]:
    order, token, line = ["attributes.start_time ASC"], None, 0
    while True:
        ask = partial(client.search_runs, [experiment], max_results=_PAGE, order_by=order, page_token=token)
        page = _asked(where, ask)
        for run in page:
            line += 1
            if line > ROWS:
                raise ImportingError(f"The experiment has more than {ROWS} runs.", "Import a smaller one.")
            yield _row(line, run, mapper)
        token = page.token
        if not token:
            return


def _row(line: int, run: Run, mapper: Mapper) -> Row | BadRow | Unfinished:
    tags, metrics = run.data.tags, run.data.metrics
    running = run.info.status in ("RUNNING", "SCHEDULED")
    if running or tags.get("lab.kind", "") not in _TRIES:
        return Unfinished(line)
    mapper.names.update(dict.fromkeys(list(metrics)[:100]))
    mapper.found = mapper.found or mapper.metric in metrics
    return mapper.structured(
        line,
        name=run.info.run_name or run.info.run_id,
        commit=tags.get("mlflow.source.git.commit", ""),
        title=tags.get("mlflow.note.content", "").partition("\n")[0],
        status=tags.get("lab.verdict", run.info.status),
        value=metrics.get(mapper.metric),
        metrics={name: value for name, value in metrics.items() if name != mapper.metric},
        params=run.data.params,
    )


def _asked(where: str, ask: Callable[[], _Answer]) -> _Answer:
    try:
        return ask()
    except LabError:
        raise
    except Exception as error:  # whatever a broken or absent store makes MLflow raise
        words = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        raise ImportingError(
            f"MLflow cannot read {shown_address(where)}: {words}",
            "Name a tracking address or the folder `mlruns` of a store that this MLflow can read.",
        ) from error
