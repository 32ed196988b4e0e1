"""`lab rerun` and `lab confirm`: more repeats for what was not clear, and fresh seeds for what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, awaited, opened, print_json, told

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.ledger import ConfirmationRecord


def rerun(
    ideas: Annotated[
        list[str], typer.Argument(metavar="IDEA...", help="Inconclusive ideas: number, branch or commit.")
    ],
    repeats: Annotated[
        int | None,
        typer.Option(min=2, max=100_000, help="Repeats in all, the earlier ones included; twice as many."),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, max=256, help="Ideas in parallel.")] = 1,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with the comparison of inconclusive ideas; their scores so far count."""
    from lab_plugin.cli._runner import run_campaign
    from lab_plugin.rerunning import plan_reruns
    from lab_plugin.sharing import take_in
    from lab_plugin.summary import results_document

    with opened(lab, current=True) as this:
        take_in(this)
        before = this.ledger.state().next_number
        ending = run_campaign(
            this, {}, fresh=False, jobs=jobs, quiet=as_json, rerun=plan_reruns(this, ideas, repeats)
        )
        document = results_document(this)
    done = [idea for idea in document["ideas"] if idea["number"] >= before]
    if as_json:
        print_json({**document, "ideas": done, "ended": ending.reason})
    else:
        for idea in done:
            print(f"{idea['number']:04d} {idea['verdict']}: {idea['reason']}")
    if ending.interrupted or not done:
        raise typer.Exit(130 if ending.interrupted else 1)


def confirm(
    repeats: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Fresh seeds; default: [decision] confirm.")
    ] = None,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the champion meet the baseline on seeds that nothing has seen yet."""
    from lab_plugin.confirmation import confirmation_sentence

    with opened(lab, current=True) as this, told():
        scorer = this.config.scorer
        record = awaited(_confirm(this, repeats or this.config.decision.confirm or 1))
    sentence = confirmation_sentence(record, scorer.metric, scorer.goal)
    if as_json:
        print_json({**record.model_dump(mode="json"), "sentence": sentence})
    else:
        print(sentence)


async def _confirm(lab: Lab, repeats: int) -> ConfirmationRecord:
    from lab_plugin.campaign import one_repeat
    from lab_plugin.confirmation import confirm_champion
    from lab_plugin.lab_branches import mend_branches
    from lab_plugin.lock_in_force import require_lock
    from lab_plugin.sharing import held, take_in

    take_in(lab)
    require_lock(lab)
    sandbox = lab.sandbox()
    try:
        await sandbox.probe()
        async with held(lab, "lab confirm") as held_lab:
            mend_branches(lab, held_lab.lease)
            return await confirm_champion(lab, held_lab.lease, one_repeat(lab, sandbox), repeats)
    finally:
        await sandbox.close()
