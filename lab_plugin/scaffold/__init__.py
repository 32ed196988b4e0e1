"""`lab init`: the files of a new lab, which run as they are."""

from lab_plugin.scaffold._answers import Answers
from lab_plugin.scaffold._scaffold import scaffold

__all__ = ["Answers", "scaffold"]
