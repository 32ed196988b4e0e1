"""For tests: contract suites to subclass, and parts made to be scripted."""

from lab_plugin.testing._proposer_contract import ProposerContract
from lab_plugin.testing._scripted import ScriptedProposer, Step

__all__ = ["ProposerContract", "ScriptedProposer", "Step"]
