"""Proposers make ideas: optimisers and programs behind one ask/tell protocol."""

from lab_plugin.proposers._command import command_proposer
from lab_plugin.proposers._contract import Outcome, Prior, Proposer, Request, Setup, Suggestion
from lab_plugin.proposers._registry import open_proposer
from lab_plugin.proposers._sampling import random_proposer, tpe_proposer
from lab_plugin.proposers._space import Space
from lab_plugin.proposers._text import clean_block, clean_line

__all__ = [
    "Outcome",
    "Prior",
    "Proposer",
    "Request",
    "Setup",
    "Space",
    "Suggestion",
    "clean_block",
    "clean_line",
    "command_proposer",
    "open_proposer",
    "random_proposer",
    "tpe_proposer",
]
