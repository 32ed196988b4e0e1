"""What to do about a server that cannot start."""

from __future__ import annotations

from pathlib import Path

_NEWER = "Can't locate revision"
# Of alembic, in the traceback of a migration that failed.
_MIGRATING = "in run_migrations"
# What is wrong then is the disk's or another program's doing.
_ELSEWHERE = ("disk is full", "disk I/O", "unable to open", "readonly", "is locked", "not a database")


def start_remedy(home: Path, log: Path, said: str) -> str:
    """The remedy for a server that ended while starting.

    Each migration is one transaction, so a server that was killed among them goes on with the next. What is
    recognised here is damage by other means.

    Args:
        home: The API's folder.
        log: Its log.
        said: The log's part about this start.
    """
    database = home / "prefect.db"
    whole = f"Its whole log is {log}."
    if _NEWER in said:
        return (
            f"The database {database} was made by a newer Prefect: install that again, or move the database "
            f"away; the history of runs starts anew then, and no verdict is lost. {whole}"
        )
    if _MIGRATING in said and not any(words in said for words in _ELSEWHERE):
        return (
            f"The database {database} is half migrated, and cannot be mended by starting again: move it "
            f"away; the history of runs starts anew then, and no verdict is lost. {whole}"
        )
    return whole
