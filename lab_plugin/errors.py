"""Every error that a user may meet, in one tree.

LabError                     a message and the remedy; shown without a traceback
├── ConfigError              lab.toml or a flag is wrong; carries every fault found
├── RepositoryError          git refuses, or the repository is not as needed
│   ├── RefConflict          another process moved a ref first; nothing was written
│   ├── LeaseHeld            another campaign holds the lab
│   ├── LedgersDiverged      two clones have each written verdicts that the other lacks
│   └── RemoteError          a git remote refuses
│       └── RemoteGone       a git remote cannot be reached; may be tried again
├── IntakeError              a proposer's edit cannot be taken in; one idea is rejected
├── LedgerError              a ledger record is missing, corrupt or forged
├── SigningError             git is to sign, and its key or program does not work
├── AttestationError         a file is no attestation, or there is nothing to attest
├── ImportingError       what was tried elsewhere cannot be read, or is not what was asked for
├── ExportError          a file is no archive of a lab, or cannot be written
├── LockError                no lock yet, or the scorer is not what was locked
├── ParametersError          the committed parameter file cannot take a point's values
├── ProposerError            a proposer cannot propose
│   ├── UnknownSettings      `[strategy]` holds what the strategy has not
│   └── SpaceExhausted       there is nothing left to propose; the campaign is over
├── SandboxError             a sandbox cannot hold what is asked of it
│   └── SandboxUnavailable   infrastructure failed, the program inside did not; may be retried
│       └── ServiceEnded     a service of the host did not outlive the program that used it
├── FleetError               the workers of a pool cannot run a trial, or each one was lost with it
├── TrackingError            the MLflow store is unusable
├── PoolError                a work pool is missing, paused, or of another kind
├── ApiError                 the Prefect API is unusable
└── UpError                  `lab up` cannot run a server or worker

What a candidate or a scorer does wrong is data (`Execution`, `Scorecard`, `Verdict`), never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping


class LabError(Exception):
    """Something that the user can mend.

    Args:
        message: What is wrong, and where.
        remedy: What to do about it; empty when the message says it all.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class ConfigError(LabError):
    """`lab.toml` or a flag is wrong.

    Args:
        message: The headline.
        remedy: What to do.
        faults: Every fault found, one readable line each ("lab.toml:12: ...").
    """

    def __init__(self, message: str, remedy: str = "", faults: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((message, *(f"  {fault}" for fault in faults))), remedy)
        self.faults = faults


class RepositoryError(LabError):
    """git refuses, or the repository is not as the lab needs it."""


class RefConflict(RepositoryError):
    """A ref was not what the transaction expected; no ref of the transaction moved."""


class LeaseHeld(RepositoryError):
    """Another campaign holds the lab."""


class LedgersDiverged(RepositoryError):
    """The ledger here and the one of the git remote each hold records that the other lacks."""


class RemoteError(RepositoryError):
    """A git remote refuses, or lacks what is asked of it."""


class RemoteGone(RemoteError):
    """A git remote cannot be reached; it may be tried again."""


class IntakeError(LabError):
    """A proposer's edit cannot be taken in; the idea is rejected with this message."""


class LedgerError(LabError):
    """A ledger record is missing, corrupt or forged."""


class SigningError(LabError):
    """git is configured to sign commits, and the key or the program for it does not work."""


class AttestationError(LabError):
    """A file is no attestation, or an idea has nothing to attest."""


class ImportingError(LabError):
    """What was tried elsewhere cannot be read, or is not what was asked for; nothing was imported."""


class ExportError(LabError):
    """A file is no archive of a lab, or cannot be written."""


class LockError(LabError):
    """There is no lock yet, or the scorer is not what was locked."""


class ParametersError(LabError):
    """The committed parameter file cannot be read, or cannot take a point's values."""


class ProposerError(LabError):
    """A proposer is unknown, misconfigured, or cannot propose."""


class UnknownSettings(ProposerError):
    """A strategy has not all settings of `[strategy]`.

    Args:
        faults: Name of each unknown setting -> what is wrong with it.
        remedy: What helps.
    """

    def __init__(self, faults: Mapping[str, str], remedy: str) -> None:
        super().__init__("; ".join(faults.values()), remedy)
        self.faults = dict(faults)


class SpaceExhausted(ProposerError):
    """Every point of a finite search space was tried."""


class SandboxError(LabError):
    """A sandbox cannot hold what is asked of it."""


class SandboxUnavailable(SandboxError):
    """The sandbox itself failed, not the program inside; the trial may be tried again."""


class ServiceEnded(SandboxUnavailable):
    """A service did not outlive the program that used it; what came of the program says nothing."""


class FleetError(LabError):
    """The workers of a pool cannot run a trial, or each one was lost with it; the idea stays open."""


class TrackingError(LabError):
    """The MLflow store is unusable."""


class PoolError(LabError):
    """A work pool is missing, paused, or not of the kind that the lab declares."""


class ApiError(LabError):
    """The Prefect API cannot be reached or started."""


class UpError(LabError):
    """`lab up` cannot run one of its servers or workers."""
