"""The campaign: the loop's state and its steps, in plain async Python."""

from lab_plugin.campaign._campaign import Campaign
from lab_plugin.campaign._control import Control
from lab_plugin.campaign._ideas import trial_params
from lab_plugin.campaign._open import open_campaign, running
from lab_plugin.campaign._plan import Interrupted, Plan
from lab_plugin.campaign._promotions import Screening
from lab_plugin.campaign._trials import PointRun, one_repeat

__all__ = [
    "Campaign",
    "Control",
    "Interrupted",
    "Plan",
    "PointRun",
    "Screening",
    "one_repeat",
    "open_campaign",
    "running",
    "trial_params",
]
