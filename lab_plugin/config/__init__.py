"""`lab.toml`: found, read and checked as a whole, with every fault named by its line."""

from lab_plugin.config._blocks import TYPES as BLOCK_TYPES
from lab_plugin.config._blocks import Blocks
from lab_plugin.config._candidate import Candidate
from lab_plugin.config._check_files import check_committed
from lab_plugin.config._checks import LAB_FILE, LOCK_FILE
from lab_plugin.config._deciding import LINES, Decision, parse_amount
from lab_plugin.config._expected_lock import ExpectedLock
from lab_plugin.config._feedback import Feedback
from lab_plugin.config._holdout import Holdout
from lab_plugin.config._load import find, load
from lab_plugin.config._models import Budget, Config, Lab, SandboxTable, Tier
from lab_plugin.config._parse import parse
from lab_plugin.config._patterns import is_scorer_file, scorer_files
from lab_plugin.config._pools import Pool
from lab_plugin.config._proposing import Proposer, Strategy
from lab_plugin.config._pruning import CURVES, Pruning
from lab_plugin.config._resources import Resources
from lab_plugin.config._schemas import (
    ANY,
    BytesSchema,
    CsvSchema,
    Dimension,
    JsonSchema,
    NpySchema,
    OutputSchema,
)
from lab_plugin.config._scoring import USAGE_METRICS, USAGE_PREFIX, Scorer
from lab_plugin.config._services import Service
from lab_plugin.config._space import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    Scalar,
    SearchSpace,
)
from lab_plugin.config._tiers import read_rule
from lab_plugin.config._tracking import Tracking
from lab_plugin.config._units import parse_duration, parse_size

__all__ = [
    "ANY",
    "BLOCK_TYPES",
    "CURVES",
    "LAB_FILE",
    "LINES",
    "LOCK_FILE",
    "USAGE_METRICS",
    "USAGE_PREFIX",
    "Blocks",
    "Budget",
    "BytesSchema",
    "Candidate",
    "CategoricalParameter",
    "Config",
    "CsvSchema",
    "Decision",
    "Dimension",
    "ExpectedLock",
    "Feedback",
    "FloatParameter",
    "Holdout",
    "IntParameter",
    "JsonSchema",
    "Lab",
    "NpySchema",
    "OutputSchema",
    "Parameter",
    "Pool",
    "Proposer",
    "Pruning",
    "Resources",
    "SandboxTable",
    "Scalar",
    "Scorer",
    "SearchSpace",
    "Service",
    "Strategy",
    "Tier",
    "Tracking",
    "check_committed",
    "find",
    "is_scorer_file",
    "load",
    "parse",
    "parse_amount",
    "parse_duration",
    "parse_size",
    "read_rule",
    "scorer_files",
]
