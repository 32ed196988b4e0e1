"""A long past, made in seconds: verdicts in a lab's ledger, and rows in the database of the Prefect API."""

from __future__ import annotations

import hashlib
import random
import re
import sqlite3
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.ledger import CampaignRecord, VerdictRecord
from lab_plugin.ledger._codec import to_message
from lab_plugin.repository import EMPTY_TREE, RefChange
from lab_plugin.tracking._names import CURSOR, IDENTITY
from tests.benchmarks._ledgers import AT, Pack

# In this order nothing refers to what comes later, but for runs and their states.
_TABLES = (
    *("flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact"),
    *("events", "event_resources"),
)
_IDS = {
    "id",
    "flow_run_id",
    "task_run_id",
    "state_id",
    "parent_task_run_id",
    "event_id",
    "result_artifact_id",
}
_NAME = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
# Copies are numbered from here: there are more runs than any earlier copy of theirs has as its number.
_RUNS = "SELECT count(*) FROM flow_run"
_POSTGRES = """
CREATE OR REPLACE FUNCTION other(id uuid, copy int) RETURNS uuid IMMUTABLE LANGUAGE sql AS
    $$ SELECT md5(id::text || copy)::uuid $$;
CREATE OR REPLACE FUNCTION other_name(name text, copy int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN name ~ '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    THEN left(name, -36) || other(right(name, 36)::uuid, copy)::text ELSE name END $$;
SET session_replication_role = replica;
"""


def lengthen(folder: Path, lab: Lab, ideas: int) -> None:
    """Have a lab's ledger hold so many ideas, by one more campaign without a keep.

    Args:
        folder: Of the repository.
        lab: Has had a campaign, which is closed, and an idea of it that was reverted.
        ideas: How many in all.
    """
    ledger, repository = lab.ledger, lab.repository
    state = ledger.state()
    like = next(record for record in state.ideas.values() if record.verdict == "reverted")
    assert state.champion is not None
    first, campaign = max(state.ideas) + 1, state.next_campaign
    told = {"campaign": campaign, "strategy": like.strategy, "budget": {"iterations": float(ideas)}}
    ledger.append(CampaignRecord(at=AT, event="opened", **told), candidate=None)
    entry = ledger.records()[-1]
    pack, branches, chance, head = Pack(), {}, random.Random(1), entry.commit
    for number in range(first, ideas + 1):
        record = _verdict(pack, lab.name, like, number, campaign, chance, state.champion.value)
        sequence = entry.record.sequence + number - first + 1
        record = record.model_copy(update={"sequence": sequence})
        head = pack.commit(EMPTY_TREE, [head, record.commit], to_message(record))
        branches[record.branch] = record.commit
    pack.store(folder, loose=False)
    changes = [RefChange(ledger.ref, head)]
    changes += [RefChange(f"refs/heads/{name}", commit) for name, commit in branches.items()]
    repository.update_refs(changes)
    subprocess.run(["git", "pack-refs", "--all"], cwd=folder, check=True)
    closed = CampaignRecord(at=AT, event="closed", reason="all ideas tried", seconds=float(ideas), **told)
    # Read before it grows: what was written here, the ledger knows nothing of.
    ledger.state()
    ledger.append(closed, candidate=None)


def _verdict(
    pack: Pack, lab: str, like: VerdictRecord, number: int, campaign: int, chance: random.Random, best: float
) -> VerdictRecord:
    params = {"x": chance.uniform(-2.0, 2.0), "y": chance.uniform(-1.0, 3.0)}
    value = best + (1 - params["x"]) ** 2 + 100 * (params["y"] - params["x"] ** 2) ** 2 + 1.0
    idea = Idea(
        number=number, slug=f"try-{number}", title=f"Try {number}", hypothesis=like.hypothesis,
        strategy=like.strategy, campaign=campaign, epoch=like.epoch, parent=like.parents[0],
        points=(PlannedPoint(tree=like.tree, params=params),),
    )  # fmt: skip
    return like.model_copy(
        update={
            "number": number,
            "slug": idea.slug,
            "branch": f"lab/{lab}/ideas/{idea.name}",
            "campaign": campaign,
            "title": idea.title,
            "commit": pack.commit(like.tree, [like.parents[0]], idea.message(lab)),
            "params": params,
            "points": (),
            "comparison": None,
            "value": value,
            "metrics": {**like.metrics, "value": value},
            "champion_value": best,
            "difference": value - best,
            "campaign_seconds": float(number),
        }
    )


def multiply_in_file(database: Path, copies: int) -> None:
    """Have every run that is in an SQLite database so many times more; nothing may have it open."""
    with closing(sqlite3.connect(database)) as connection:
        connection.create_function("other", 2, _other, deterministic=True)
        connection.create_function("other_name", 2, _other_name, deterministic=True)
        (runs,) = connection.execute(_RUNS).fetchone()
        for table in _TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})") if not row[6]]
            connection.execute(_statement(table, columns, range(runs, runs + copies)))
        connection.commit()
        connection.execute("ANALYZE")


def multiply_in_postgres(address: Mapping[str, Any], copies: int) -> None:
    """Have every run that is in a PostgreSQL database so many times more.

    Args:
        address: As `psycopg2.connect` takes it, of its superuser.
        copies: How many times.
    """
    import psycopg2

    columns = (
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
    )
    with closing(psycopg2.connect(**address)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(_POSTGRES)
            cursor.execute(_RUNS)
            (runs,) = cursor.fetchone()
            for table in _TABLES:
                cursor.execute(columns, (table,))
                names = [row[0] for row in cursor.fetchall()]
                cursor.execute(_statement(table, names, range(runs, runs + copies)))
        connection.commit()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _statement(table: str, columns: Sequence[str], copies: range) -> str:
    quoted = [f'"{name}"' for name in columns]
    values = ", ".join(_value(name, f't."{name}"') for name in columns)
    numbers = (
        f"WITH RECURSIVE n(k) AS (SELECT {copies[0]} UNION ALL SELECT k + 1 FROM n WHERE k < {copies[-1]})"
    )
    return f"INSERT INTO {table} ({', '.join(quoted)}) {numbers} SELECT {values} FROM {table} t CROSS JOIN n"


def _value(name: str, column: str) -> str:
    if name in _IDS:
        return f"other({column}, n.k)"
    if name == "resource_id":
        return f"other_name({column}, n.k)"
    return "NULL" if name == "idempotency_key" else column


def _other(identity: str | None, copy: int) -> str | None:
    if identity is None:
        return None
    digest = hashlib.md5(f"{identity}{copy}".encode(), usedforsecurity=False).hexdigest()
    return str(uuid.UUID(digest))


def _other_name(name: str, copy: int) -> str:
    return _NAME.sub(lambda found: str(_other(found[0], copy)), name)


def take_as_mirrored(uri: str, head: str) -> None:
    """Have MLflow's mirror go on behind a ledger's head: what is measured is not how it catches up.

    Args:
        uri: The store; one lab is in it.
        head: Of the ledger.
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (experiment,) = (one for one in client.search_experiments() if IDENTITY in one.tags)
    client.set_experiment_tag(experiment.experiment_id, CURSOR, head)
