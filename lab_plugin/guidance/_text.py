"""A proposal as markdown."""

from __future__ import annotations

from lab_plugin.guidance._proposal import Proposal
from lab_plugin.report import fenced, inline


def proposal_text(proposal: Proposal) -> str:
    """What is proposed, and why: title, hypothesis, parameters and change."""
    idea, config = proposal.idea, proposal.lab.config
    lines = [f"# {idea.number:04d}: {inline(idea.title)}", ""]
    if proposal.problem:
        lines += [f"**The last answer could not be used:** {inline(proposal.problem)}", ""]
    if idea.hypothesis and idea.hypothesis != idea.title:
        lines += [inline(idea.hypothesis), ""]
    lines += [
        f"Proposed by `{idea.strategy}`, from `{idea.parent[:12]}`. "
        f"The champion has {inline(config.scorer.metric)} {proposal.champion:.6g} ({config.scorer.goal}).",
        "",
    ]
    if len(idea.points) > 1:
        lines += [f"A batch of {len(idea.points)} points; the change is that of the first.", ""]
    return "\n".join([*lines, "## Change", "", *fenced(proposal.patch)]) + "\n"
