"""`lab watchdog`: what went wrong while nobody looked, found and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, awaited, opened, print_json

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.upkeep import Finding


def watchdog(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is wrong, and change nothing.")
    ] = False,
    least_free: Annotated[
        float, typer.Option(min=0.0, metavar="GB", help="Free gigabytes below which a disk is nearly full.")
    ] = 2.0,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find dead leases, stuck runs, leftovers, full disks and drift, and mend what is certainly wrong."""
    from lab_plugin.upkeep import outcome

    with opened(lab, current=True) as this:
        findings = _look(this, not dry_run, least_free)
    word = outcome(findings)
    if as_json:
        print_json({"outcome": word, "findings": [vars(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{'mended' if finding.mended else 'OPEN  '}  {finding.what} ({finding.where})")
            print(f"        {finding.remedy}")
        print(word)
    if word == "Needs attention":
        raise typer.Exit(1)


def _look(this: Lab, mend: bool, least_free: float) -> list[Finding]:
    from lab_plugin.errors import ApiError
    from lab_plugin.serving import serving
    from lab_plugin.upkeep import Finding, look_after

    try:
        with serving(this.home):
            from lab_plugin.flows.watchdog import look

            return awaited(look(this, mend=mend, least_free=least_free))
    except ApiError as error:
        findings = look_after(this, mend=mend, least_free=least_free)
        what = f"flow runs were not looked at: {error.message}"
        return [*findings, Finding("api", what, "the Prefect API", error.remedy)]
