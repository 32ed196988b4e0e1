"""The program's door: its commands, and the one place where an error becomes a message and an exit status."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Annotated

import typer

from lab_plugin import __version__
from lab_plugin.cli._attest import attest
from lab_plugin.cli._campaign import results, run, status
from lab_plugin.cli._decisions import confirm, rerun
from lab_plugin.cli._deploy import deploy
from lab_plugin.cli._diagnose import diagnose
from lab_plugin.cli._digest import digest
from lab_plugin.cli._export import export
from lab_plugin.cli._ideas import diff, show
from lab_plugin.cli._import import import_history
from lab_plugin.cli._queue import add, cancel, pause, prioritize, queue, resume
from lab_plugin.cli._setup import check, init, lock
from lab_plugin.cli._simulate import simulate
from lab_plugin.cli._up import up
from lab_plugin.cli._upkeep import clean, merge, sync
from lab_plugin.cli._verify import verify
from lab_plugin.cli._watchdog import watchdog
from lab_plugin.errors import LabError

app = typer.Typer(
    name="lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Run attempts at a better number while you sleep, and keep what is really better.",
)

for command in (
    init,
    check,
    lock,
    run,
    rerun,
    confirm,
    add,
    queue,
    pause,
    resume,
    cancel,
    status,
    results,
    show,
    diff,
    digest,
    diagnose,
    deploy,
    up,
    simulate,
    verify,
    attest,
    export,
    sync,
    merge,
    clean,
    watchdog,
):
    app.command()(command)
# So that -5 is a priority, and no option.
app.command(context_settings={"ignore_unknown_options": True})(prioritize)
# `import` is a word of Python's own.
app.command("import")(import_history)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"prefect-lab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before a command."""


def main() -> None:
    """Run the program; exits with 1 on a LabError, 130 on Ctrl-C, 2 on wrong usage."""
    try:
        app()
    except LabError as error:
        _report(error)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        _report(LabError(f"The disk is full{where}.", "Free some space; `lab run` goes on where it stopped."))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _report(error: LabError) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": {"message": error.message, "remedy": error.remedy}}), file=sys.stderr)
        return
    print(f"error: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"remedy: {error.remedy}", file=sys.stderr)
