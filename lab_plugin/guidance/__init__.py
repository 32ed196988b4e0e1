"""A guided campaign: its owner looks at each proposal before anything of it runs."""

from lab_plugin.guidance._contract import Answer, Choice, Guide, GuideGone
from lab_plugin.guidance._desk import GuideDesk
from lab_plugin.guidance._here import guide_here, guided_here
from lab_plugin.guidance._proposal import Proposal
from lab_plugin.guidance._text import proposal_text

__all__ = [
    "Answer",
    "Choice",
    "Guide",
    "GuideDesk",
    "GuideGone",
    "Proposal",
    "guide_here",
    "guided_here",
    "proposal_text",
]
