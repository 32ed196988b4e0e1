"""Does an attestation hold: in itself, by its signature, and against the repository where that is at hand?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab_plugin.attestation._build import sha256_of, statement_of
from lab_plugin.attestation._envelope import Attestation
from lab_plugin.attestation._statement import CommitDigest, Predicate, Statement, TreeDigest
from lab_plugin.attestation._tiers import tier_faults
from lab_plugin.comparison import WORDS, decide_again, rules_of
from lab_plugin.config import Decision, parse_amount
from lab_plugin.decision import Pairs, open_rule
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import ledger_command
from lab_plugin.signing import Check, Verifier, read_settings
from lab_plugin.verification import prove_lab

_EDITED = "The file is not what `lab attest` wrote: make it anew where the ledger is."
_NOTHING = "nothing that can be told"
_UNKNOWN_KEY = "If you believe this key, add it to git's gpg.ssh.allowedSignersFile, or to your GnuPG keys."


@dataclass(frozen=True)
class Mismatch:
    """One thing that does not match.

    Attributes:
        what: Which; a path into the statement where it is a value of it.
        expected: What would be right.
        found: What is there.
        remedy: What to do.
    """

    what: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}" if self.expected else self.what


@dataclass(frozen=True)
class AttestationCheck:
    """What came of checking an attestation.

    Attributes:
        mismatches: What does not match; empty when all does.
        signature: What is known of its signature; None when it has none.
        repository: It was compared with the ledger of a repository.
    """

    mismatches: tuple[Mismatch, ...]
    signature: Check | None
    repository: bool

    @property
    def proved_by(self) -> tuple[Literal["repository", "signature"], ...]:
        """What speaks for it; nothing does for a file without a good signature outside of its repository."""
        signed = self.signature is not None and self.signature.status == "good"
        return (*(("repository",) if self.repository else ()), *(("signature",) if signed else ()))

    @property
    def ok(self) -> bool:
        """It matches, and something proves it."""
        return not self.mismatches and bool(self.proved_by)


def check_attestation(attestation: Attestation, lab: Lab | None) -> AttestationCheck:
    """Check an attestation.

    Args:
        attestation: As it was read.
        lab: The lab whose repository is at hand; None for none.
    """
    found = [*_inner(attestation.statement)]
    signature = None
    if attestation.signature:
        folder = lab.repository.top if lab is not None else Path("/")
        verifier = Verifier(read_settings(folder))
        signature = verifier.check(attestation.signed_bytes, attestation.signature)
        if signature.status in ("bad", "untrusted"):
            remedy = (
                "If you believe this key, add it to git's gpg.ssh.allowedSignersFile or to your GnuPG keys."
            )
            remedy = _EDITED if signature.status == "bad" else remedy
            found.append(Mismatch(f"its signature is {signature.status}: {signature.why}", "", "", remedy))
    if lab is not None:
        found += _against(attestation.statement, lab)
    return AttestationCheck(tuple(found), signature, lab is not None)


def _inner(statement: Statement) -> Iterator[Mismatch]:
    """What the statement says twice, or what can be recomputed from it alone."""
    predicate = statement.predicate
    score, verdict, terms = predicate.score, predicate.verdict, predicate.terms
    kinds = (CommitDigest, TreeDigest)
    scorer = terms.rules.get("scorer")
    scorer = scorer if isinstance(scorer, Mapping) else {}
    exact: float | None = None
    if verdict.champion_value is not None:
        exact = score.value - verdict.champion_value
        exact = exact if math.isfinite(exact) else None
    pairs: dict[str, tuple[Any, Any]] = {
        "subject.name": ([predicate.idea.branch] * 2, [item.name for item in statement.subject]),
        "subject.digest": (
            [kind.__name__ for kind in kinds],
            [type(item.digest).__name__ for item in statement.subject],
        ),
        "predicate.epoch.digest": (terms.digest(), predicate.epoch.digest),
        "predicate.environment_sha256": (sha256_of(terms.environment), predicate.environment_sha256),
        "predicate.score.metric": (scorer.get("metric"), score.metric),
        "predicate.score.goal": (scorer.get("goal"), score.goal),
        "predicate.score.value": (_value(predicate), score.value),
        "predicate.verdict.difference": (exact, verdict.difference),
        "predicate.verdict.word": (_decided(statement), verdict.word),
    }
    told = [(path, expected, found) for path, (expected, found) in pairs.items()]
    for path, expected, found in (*told, *tier_faults(predicate)):
        if expected != found:
            yield Mismatch(path, _shown(expected), _shown(found), _EDITED)


def _value(predicate: Predicate) -> float:
    """The value that the scores in a statement give."""
    score, found = predicate.score, predicate.verdict.comparison
    if found is None:
        return score.metrics.get(score.metric, score.value)
    values = found.candidate.get(score.metric, ())
    return Pairs(values, values).value if values else score.value


def _decided(statement: Statement) -> str:
    """What the rule in the statement decides; the word itself where samples did, which it does not hold."""
    predicate = statement.predicate
    verdict, score = predicate.verdict, predicate.score
    found, against = verdict.comparison, verdict.champion_value
    try:
        decision = Decision.model_validate(predicate.terms.rules["decision"])
        if found is not None:
            rules = rules_of(decision, score.metric, score.goal, found.tries, found.max_repeats)
            return verdict.word if found.samples else WORDS.get(decide_again(found, rules).state, "open")
        if decision.policy != "exact":
            return verdict.word
        if against is None:
            return _NOTHING
        rule = open_rule("exact", score.goal, parse_amount(decision.min_improvement)[0])
        return rule.compare(score.value, against).verdict
    except (LabError, KeyError, TypeError, ValueError):
        return _NOTHING


def _against(statement: Statement, lab: Lab) -> Iterator[Mismatch]:
    """Make the statement again from the repository and compare every value of it."""
    predicate = statement.predicate
    if predicate.lab.name != lab.name:
        remedy = "Run it in the folder of that lab, or name that by --lab PATH."
        yield Mismatch("predicate.lab.name", repr(lab.name), repr(predicate.lab.name), remedy)
        return
    proof = prove_lab(lab)
    for problem in proof.problems:
        yield Mismatch(f"the ledger here does not verify: {problem}", "", "", problem.remedy)
    record = proof.ledger.state.ideas.get(predicate.idea.number)
    if record is None:
        what = f"the ledger here has no verdict of idea {predicate.idea.number}"
        remedy = f"It may be behind: run `{ledger_command(lab)}`."
        yield Mismatch(what, "", "", remedy)
        return
    try:
        made = statement_of(lab, proof.ledger, record)
    except (LabError, ValueError) as error:
        remedy = error.remedy if isinstance(error, LabError) else "Run `lab verify`."
        yield Mismatch(f"the ledger here cannot attest it: {error}", "", "", remedy)
        return
    expected, found = _leaves(made.to_json()), _leaves(statement.to_json())
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            yield Mismatch(path, expected.get(path, "nothing"), found.get(path, "nothing"), _EDITED)


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    """Path -> value, for every value that holds no other."""
    if isinstance(value, Mapping) and value:
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and value:
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return {path: _shown(value)}
    return {name: text for inner, item in items for name, text in _leaves(item, inner).items()}


def _shown(value: Any) -> str:
    return repr(value)
