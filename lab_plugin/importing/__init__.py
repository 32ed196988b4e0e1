"""What was tried elsewhere, read from tables, JSON lines, Optuna and MLflow: prior knowledge, never more."""

from lab_plugin.importing._fitting import Fitting
from lab_plugin.importing._priors import priors
from lab_plugin.importing._reading import Wish
from lab_plugin.importing._report import imported_document
from lab_plugin.importing._row import BadRow, Row
from lab_plugin.importing._stored import read_rows, rows_file
from lab_plugin.importing._taking import ImportReport, import_history

__all__ = [
    "BadRow",
    "Fitting",
    "ImportReport",
    "Row",
    "Wish",
    "import_history",
    "imported_document",
    "priors",
    "read_rows",
    "rows_file",
]
