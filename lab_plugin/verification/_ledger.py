"""The proof of a whole ledger: its chain and branches, what each epoch locked, and what was decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab_plugin.config import LOCK_FILE
from lab_plugin.errors import LedgerError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import ledger_command
from lab_plugin.ledger import Problem, Proof
from lab_plugin.verification._comparisons import comparison_problems
from lab_plugin.verification._decisions import decision_problems
from lab_plugin.verification._epochs import epoch_problems
from lab_plugin.verification._imports import import_problems
from lab_plugin.verification._memory import memory_problems, remember
from lab_plugin.verification._promotions import promotion_problems
from lab_plugin.verification._pruned import pruned_problems


@dataclass(frozen=True)
class LabProof:
    """What came of proving a lab.

    Attributes:
        ledger: Of the chain, its records, signatures and branches.
        problems: All that is not as it should be, in the order of the ledger; empty when all agrees.
    """

    ledger: Proof
    problems: tuple[Problem, ...]

    def of(self, number: int) -> tuple[Problem, ...]:
        """The problems that concern one idea."""
        return tuple(problem for problem in self.problems if problem.idea == number)


def prove_lab(lab: Lab) -> LabProof:
    """Prove the whole ledger from git: nothing else is believed.

    Where it was proved before on this machine, it must go on from there.

    Raises:
        LedgerError: There is no ledger here; the remedy says where it comes from.
    """
    if lab.ledger.head() is None:
        raise _missing(lab)
    proof = lab.ledger.prove()
    found = [*proof.problems, *_own_problems(lab, proof)]
    if not found:
        remember(lab, proof)
    # What concerns the whole stands behind what concerns a record.
    return LabProof(proof, tuple(sorted(found, key=lambda problem: problem.record or proof.records + 1)))


def require_proof(lab: Lab) -> LabProof:
    """The proof of a lab of which everything agrees.

    Raises:
        LedgerError: There is no ledger, or something does not agree.
    """
    proof = prove_lab(lab)
    if proof.problems:
        first = proof.problems[0]
        raise LedgerError(
            f"The ledger of the lab {lab.name} does not verify ({len(proof.problems)} problems): {first}",
            f"Run `lab verify`. {first.remedy}",
        )
    return proof


def verify_ledger(lab: Lab) -> list[str]:
    """Every fault of the ledger and its refs, one line each; empty when all agrees.

    Raises:
        LedgerError: There is no ledger here.
    """
    return [str(problem) for problem in prove_lab(lab).problems]


def _own_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    yield from epoch_problems(lab, proof)
    yield from decision_problems(lab, proof)
    yield from comparison_problems(lab, proof)
    yield from promotion_problems(lab, proof)
    yield from pruned_problems(lab, proof)
    yield from import_problems(lab)
    yield from memory_problems(lab, proof)


def _missing(lab: Lab) -> LedgerError:
    repository = lab.repository
    remotes = repository.remotes()
    fetch = f"Bring it here from where it is: `{ledger_command(lab)}`."
    locked = (lab.config.folder / LOCK_FILE).is_file() or repository.refs(f"refs/heads/lab/{lab.name}/")
    if remotes and not locked:
        fetch = f"If this is a clone, run `{ledger_command(lab)}`; for a new lab, `lab lock`."
    elif not remotes and not locked:
        fetch = "Run `lab lock`."
    return LedgerError(f"There is no ledger {lab.ledger.ref} in {repository.top}.", fetch)
