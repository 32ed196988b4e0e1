"""`lab init`, `lab check` and `lab lock`: from nothing to a lab that can run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, awaited, number, opened, print_json, told

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.locking import Locking


def init(
    folder: Annotated[Path, typer.Argument(help="Where the lab goes.")] = Path("."),
    name: Annotated[str, typer.Option(help="The lab's name (default: the folder's).")] = "",
    metric: Annotated[str, typer.Option(help="The number that you care about.")] = "",
    goal: Annotated[str, typer.Option(help="maximize or minimize.")] = "",
    candidate: Annotated[str, typer.Option(help="The file that ideas may change.")] = "",
    command: Annotated[str, typer.Option(help="How the candidate is run.")] = "",
    output: Annotated[str, typer.Option(help="The file that the candidate writes.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take defaults.")] = False,
    lab: Annotated[
        Path | None, typer.Option("--lab", metavar="PATH", help="The same as FOLDER.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Scaffold lab.toml, scorer/ and PROGRAM.md; asks for what the flags leave open."""
    from lab_plugin.scaffold import Answers, scaffold

    folder = lab or folder
    defaults = Answers.for_folder(folder.resolve())
    given = {
        "name": name,
        "metric": metric,
        "goal": goal,
        "candidate": candidate,
        "command": command,
        "output": output,
    }
    ask = sys.stdin.isatty() and not yes and not as_json
    answers = defaults.with_changes(
        {
            key: value
            or (typer.prompt(key, default=getattr(defaults, key)) if ask else getattr(defaults, key))
            for key, value in given.items()
        }
    )
    written = scaffold(folder, answers)
    if as_json:
        print_json({"lab": answers.name, "written": [str(path) for path in written]})
        return
    print(f"The lab {answers.name} is laid out:")
    for path in written:
        print(f"  {path}")
    print("Next: edit them, `git add` and commit, then `lab check`, `lab lock` and `lab run`.")


def check(lab: LabOption = None, as_json: JsonOption = False) -> None:
    """Probe the wiring: each failure says what, where, and the remedy."""
    from lab_plugin.check import run_checks

    findings = awaited(run_checks(lab))
    if as_json:
        print_json({"ok": all(finding.ok for finding in findings), "checks": [vars(f) for f in findings]})
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.detail}")
            if finding.remedy:
                print(f"      remedy: {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def lock(
    reason: Annotated[
        str, typer.Option(help="Why a new epoch is opened; needed for all but the first.")
    ] = "",
    baseline: Annotated[
        str, typer.Option(metavar="REV", help="Start again from this commit instead of the champion.")
    ] = "",
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash-lock the scorer and score the baseline (or the champion again) with it."""
    from lab_plugin.summary import noise_line

    with opened(lab, current=True) as this, told():
        kind, done = awaited(_lock(this, reason, baseline))
        dirty = this.repository.is_dirty()
    record = done.record
    if as_json:
        print_json({**record.model_dump(mode="json"), "opened": done.opened, **_told(done)})
        return
    for line in done.changes:
        print(f"  {line}")
    word = "opened" if done.opened else "unchanged"
    print(f"Epoch {record.epoch} {word}; digest {record.digest[:12]}; sandbox {kind}.")
    what = f"idea {record.champion}" if record.champion else "baseline"
    print(f"The {what} is commit {record.commit[:12]}: {record.metric} {number(record.value)}.")
    print(noise_line(record))
    for tier in this.config.screening:
        if tier.name in record.tiers:
            there = number(record.tiers[tier.name].value)
            print(f"At the tier {tier.name}: {tier.config.scorer.metric} {there}.")
    if record.holdout is not None and record.holdout.gap is not None:
        print(f"On the hold-out: {number(record.holdout.value)}, a gap of {record.holdout.gap:+.6g}.")
    for line in done.warnings:
        print(f"warning: {line}")
    if dirty:
        print("The working tree has changes that are not committed: they are no part of the baseline.")


def _told(done: Locking) -> dict[str, list[str]]:
    return {"changes": list(done.changes), "warnings": list(done.warnings)}


async def _lock(lab: Lab, reason: str, baseline: str) -> tuple[str, Locking]:
    """Lock in the lab's sandbox; returns its kind too."""
    from lab_plugin.locking import lock_lab

    lab.build_image()
    sandbox = lab.sandbox()
    try:
        await sandbox.probe()
        return sandbox.kind, await lock_lab(lab, sandbox, reason, baseline)
    finally:
        await sandbox.close()
