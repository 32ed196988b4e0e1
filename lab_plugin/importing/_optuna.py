"""Studies of Optuna, from a database or a journal."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_plugin.errors import ImportingError
from lab_plugin.importing._databases import copied, database_of, is_database
from lab_plugin.importing._files import no_metric
from lab_plugin.importing._limits import ROWS
from lab_plugin.importing._lines import require_file
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._naming import shown_address
from lab_plugin.importing._reading import Reading, Unfinished, Wish
from lab_plugin.importing._row import BadRow, Row
from lab_plugin.ledger import Goal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial

_METRIC_NAMES = "study:metric_names"


@contextmanager
def open_study(wish: Wish, mapper: Mapper) -> Iterator[Reading]:
    """Open a study; a file is read from a copy.

    Raises:
        ImportingError: There is no such study, it has several objectives and none is named, or Optuna cannot
            read its storage.
    """
    from lab_plugin.optuna_trials import quiet

    with quiet(), _storage(wish.where) as storage:
        try:
            study = _chosen(storage.get_all_studies(), wish)
            names = storage.get_study_system_attrs(study._study_id).get(_METRIC_NAMES) or []
            count = storage.get_n_trials(study._study_id)
            if count > ROWS:
                raise ImportingError(
                    f"The study has {count} trials, more than {ROWS}.", "Import a smaller one."
                )
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
        except ImportingError:
            raise
        except Exception as error:  # whatever a broken storage makes Optuna raise
            raise _unreadable(wish.where, error) from error
        index = _objective(wish, study, names)
        goal: Goal = "maximize" if study.directions[index].name == "MAXIMIZE" else "minimize"
        yield Reading(
            form="optuna",
            source=f"{shown_address(wish.where)} study {study.study_name}",
            metric=str(names[index]) if index < len(names) else wish.metric,
            goal=goal,
            rows=(_row(trial, index, mapper) for trial in trials),
        )


@contextmanager
def _storage(where: str) -> Iterator[BaseStorage]:
    path = database_of(where)
    if path is not None and "://" not in where and not is_database(path):
        with _journal(path) as storage:
            yield storage
        return
    if path is None:
        yield _database(where, where)
        return
    with copied(path) as address:
        yield _database(address, where)


def _database(address: str, where: str) -> BaseStorage:
    from optuna.storages import RDBStorage

    try:
        return RDBStorage(address, skip_table_creation=True)
    except Exception as error:  # drivers raise what they like
        raise _unreadable(where, error) from error


@contextmanager
def _journal(path: Path) -> Iterator[BaseStorage]:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    require_file(path)
    with tempfile.TemporaryDirectory(prefix="lab-import-") as folder:
        copy = Path(folder, "journal.log")
        shutil.copyfile(path, copy)
        try:
            yield JournalStorage(JournalFileBackend(str(copy)))
        except ImportingError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(str(path), error) from error


def _chosen(studies: list[FrozenStudy], wish: Wish) -> FrozenStudy:
    names = ", ".join(study.study_name[:60] for study in studies[:20]) or "none"
    found = [study for study in studies if wish.study in ("", study.study_name)]
    if len(found) == 1:
        return found[0]
    what = f"no study {wish.study!r}" if wish.study else f"{len(studies)} studies"
    raise ImportingError(
        f"{shown_address(wish.where)} has {what}; it has: {names}.", "Name one: --study NAME."
    )


def _objective(wish: Wish, study: FrozenStudy, names: list[Any]) -> int:
    """Which of the study's objectives is meant."""
    if wish.metric and wish.metric in names:
        return int(names.index(wish.metric))
    if len(study.directions) == 1 and not (names and wish.metric):
        return 0
    if not names:
        raise ImportingError(
            f"The study {study.study_name} has {len(study.directions)} objectives without names.",
            "Give them names with study.set_metric_names, and name one: --metric NAME.",
        )
    raise no_metric(f"The study {study.study_name}", wish.metric, "metric", tuple(map(str, names)))


def _row(trial: FrozenTrial, index: int, mapper: Mapper) -> Row | BadRow | Unfinished:
    line, state = trial.number + 1, trial.state.name
    if not trial.state.is_finished():
        return Unfinished(line)
    values = trial.values if state == "COMPLETE" else None
    return mapper.structured(
        line,
        name=f"trial {trial.number}",
        status=state,
        value=values[index] if values else None,
        params=trial.params,
    )


def _unreadable(where: str, error: Exception) -> ImportingError:
    # Optuna says "exceeding max length" of a server that refuses; the driver says why.
    told = error.__cause__ or error
    words = str(told).strip().partition("\n")[0][:300] or type(told).__name__
    remedy = "Name an Optuna database or journal."
    if "compatible" in words or "schema" in words:
        remedy = "Copy it, and run `optuna storage upgrade` on the copy."
    return ImportingError(f"Optuna cannot read {shown_address(where)}: {words}", remedy)
