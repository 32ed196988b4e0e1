"""One lab's experiment in MLflow: found by the lab's identity, made when missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lab_plugin.ledger._records import LockRecord
from lab_plugin.tracking._environment import prepare
from lab_plugin.tracking._names import CURSOR, IDENTITY, clean
from lab_plugin.tracking._store import Store
from lab_plugin.tracking._story import Champion
from lab_plugin.tracking._view import VIEW_TAG, leaderboard

if TYPE_CHECKING:
    from mlflow import MlflowClient


def connect(store: Store) -> MlflowClient:
    """A client for the store; imports MLflow, which takes 2 s the first time."""
    prepare(store.username, store.password)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)


def reconnect(store: Store) -> None:
    """Let go of all open connections to a SQLite store."""
    if store.database is not None:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore._get_or_create_engine(store.uri).dispose()


class Experiment:
    """The lab's experiment and the tags on it.

    Attributes:
        identifier: MLflow's id of it.
    """

    def __init__(self, client: MlflowClient, identifier: str) -> None:
        self._client = client
        self._written: dict[str, str] = {}
        self.identifier = identifier

    @classmethod
    def find(cls, client: MlflowClient, identity: str) -> Experiment | None:
        """Look for the experiment; one that was deleted is restored."""
        from mlflow.entities import LifecycleStage, ViewType

        found = client.search_experiments(
            view_type=ViewType.ALL, filter_string=f"tags.`{IDENTITY}` = '{identity}'", max_results=1
        )
        if not found:
            return None
        if found[0].lifecycle_stage == LifecycleStage.DELETED:
            client.restore_experiment(found[0].experiment_id)
        return cls(client, found[0].experiment_id)

    @classmethod
    def open(cls, client: MlflowClient, store: Store, lab: str, identity: str, place: str) -> Experiment:
        """Find the experiment, or make it under the first name that is free."""
        return cls.find(client, identity) or cls._make(client, store, lab, identity, place)

    @classmethod
    def _make(cls, client: MlflowClient, store: Store, lab: str, identity: str, place: str) -> Experiment:
        from mlflow.exceptions import MlflowException

        # The kind makes the UI open on runs, not on traces.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        tags = {IDENTITY: identity, "lab.name": clean(lab), **kind}
        artifacts = f"{store.artifacts}/{identity}" if store.artifacts else None
        names = [lab, *([f"{lab} ({place})"] if place else []), f"{lab} ({identity})"]
        for name in names:
            try:
                return cls(client, client.create_experiment(clean(name, 400), artifacts, tags))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS" or name == names[-1]:
                    raise
        raise AssertionError("the last name either works or raises")

    def cursor(self) -> str:
        """The ledger commit up to which all is mirrored; empty when that is not known."""
        return str(self._client.get_experiment(self.identifier).tags.get(CURSOR, ""))

    def advance(self, commit: str) -> None:
        """Note that all up to this ledger commit is mirrored; empty: nothing is known."""
        self._client.set_experiment_tag(self.identifier, CURSOR, commit)

    def describe(self, lock: LockRecord) -> None:
        """Say what is measured now, and set the leaderboard accordingly."""
        subject = f"`{lock.metric}`, {lock.goal}, epoch {lock.epoch}."
        note = f"{subject} A mirror of the ledger in git; `lab sync` rebuilds it."
        self._set("lab.metric", clean(lock.metric))
        self._set("lab.goal", lock.goal)
        self._set("mlflow.note.content", clean(note))
        self._set(VIEW_TAG, leaderboard(lock))

    def crown(self, champion: Champion, run_id: str) -> None:
        """Name the champion's run, so that nobody needs to search for it."""
        text = {"run": run_id, "branch": champion.branch, "value": champion.value, "idea": champion.number}
        self._set("lab.champion", json.dumps(text))

    def _set(self, key: str, value: str) -> None:
        if self._written.get(key) != value:
            self._client.set_experiment_tag(self.identifier, key, value)
            self._written[key] = value
