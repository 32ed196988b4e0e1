"""What proposers are told of what was tried elsewhere."""

from __future__ import annotations

from dataclasses import replace

from lab_plugin.importing._fitting import Fitting
from lab_plugin.importing._stored import imports_of
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign
from lab_plugin.proposers import Prior


def priors(lab: Lab, campaign: OpenCampaign) -> tuple[Prior, ...]:
    """What a campaign's proposer starts from, oldest first; nothing in a campaign that starts fresh.

    `[feedback]` holds for it as for the lab's own scores. A value that was imported in an earlier epoch is
    not on the scale of this one.

    Raises:
        LedgerError: An import is damaged.
    """
    state, rule = lab.ledger.state(), lab.config.feedback
    if campaign.fresh or state.lock is None:
        return ()
    fitting = Fitting(lab.config.search_space.parameters if lab.config.search_space else {})
    found: list[Prior] = []
    for record, rows in imports_of(lab.repository, state):
        comparable = record.comparable and record.epoch == state.lock.epoch
        whole = Prior(source=record.source, metric=record.metric, goal=record.goal, comparable=comparable)
        for row in rows:
            point = fitting.point(row.params)
            told = replace(
                whole,
                name=row.name,
                title=row.title,
                status=row.status if rule.status else "",
                value=row.value if rule.metric else None,
                params=dict(row.params) if point is None else point,
            )
            found.append(told)
    return tuple(found)
