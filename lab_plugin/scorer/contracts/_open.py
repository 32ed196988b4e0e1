"""From `[scorer] contract` to a contract."""

from __future__ import annotations

from lab_plugin.scorer.contracts._contract import Contract
from lab_plugin.scorer.contracts._in_process import InProcessContract
from lab_plugin.scorer.contracts._outputs import OutputsContract
from lab_plugin.scorer.contracts._programs import Programs
from lab_plugin.scorer.contracts._served import ServedContract
from lab_plugin.scorer.contracts._tests import SuiteContract


def open_contract(programs: Programs, tests: tuple[str, ...] = ()) -> Contract:
    """The contract that a lab's configuration names.

    Args:
        programs: Of the lab.
        tests: Ids of the locked tests, for the contract `tests`.
    """
    match programs.config.scorer.contract:
        case "outputs":
            return OutputsContract(programs)
        case "served":
            return ServedContract(programs)
        case "tests":
            return SuiteContract(programs, tests)
        case "in_process":
            return InProcessContract(programs)
