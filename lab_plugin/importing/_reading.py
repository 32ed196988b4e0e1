"""What is wished of a source, and what a reader answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab_plugin.importing._row import BadRow, Row
from lab_plugin.ledger import Goal

Form = Literal["table", "jsonl", "optuna", "mlflow"]


@dataclass(frozen=True)
class Unfinished:
    """A try that has no end yet, or is none; it is left out, and no fault.

    Attributes:
        line: Where it stands, as `Row.line`.
    """

    line: int


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be imported.

    Attributes:
        where: A file, a folder, or the address of a store.
        metric: What the source calls its values; "" for the lab's metric.
        goal: Which way they are better there; None where the source says so, or it is as in the lab.
        study: Of Optuna; "" for the only one.
        experiment: Of MLflow; "" for the only one.
    """

    where: str
    metric: str = ""
    goal: Goal | None = None
    study: str = ""
    experiment: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A source, opened.

    Attributes:
        form: What it is.
        source: Where it came from, without credentials.
        metric: What it calls its values; "" when it does not say.
        goal: Which way they are better, where it says so.
        rows: Read as they are asked for.
    """

    form: Form
    source: str
    metric: str
    goal: Goal | None
    rows: Iterator[Row | BadRow | Unfinished]
