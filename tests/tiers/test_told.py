"""What is said of ideas that stopped at tiers: nothing that makes them look as if they had a score."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.attestation import attest, check_attestation, parse_attestation
from lab_plugin.comparison_report import has_chart
from lab_plugin.errors import AttestationError, LabError
from lab_plugin.feedback import Feedback
from lab_plugin.gap import gaps
from lab_plugin.report import iteration_report, results_rows
from lab_plugin.rerunning import plan_reruns
from lab_plugin.summary import results_document
from lab_plugin.tracking._drafts import idea_draft
from tests.tiers.labs import BATCH, CRASHED, KEPT, LOST, STOPPED, TURNED, opened, records


def mismatches(lab: Any, document: Any) -> set[str]:
    data = json.dumps(document).encode()
    return {found.what for found in check_attestation(parse_attestation(data, "a.json"), lab).mismatches}


def test_a_statement_tells_the_tiers(tiered: Path) -> None:
    with opened(tiered) as lab:
        results = {result.tier: result for result in records(lab)[1] if result.number == KEPT}
        data, _ = attest(lab, "best")
        document = json.loads(data)
        parts = document["predicate"]["tiers"]
        assert [(part["tier"], part["metric"], part["goal"]) for part in parts] == [
            ("rough", "value", "maximize"),
            ("mid", "cost", "minimize"),
        ]
        for part in parts:
            result = results[part["tier"]]
            assert (part["value"], tuple(part["values"])) == (result.value, result.values)
            assert tuple(part["seeds"]) == result.seeds
        assert document["predicate"]["score"]["tier"] == "final"
        assert mismatches(lab, document) == set()
        for path, value, named in [
            (("tiers", 0, "value"), 99.0, {"predicate.tiers[0].value"}),
            (("tiers", 1, "goal"), "maximize", {"predicate.tiers[1].goal"}),
            (("tiers",), parts[1:], {"predicate.tiers"}),
            (("score", "tier"), "mid", {"predicate.score.tier"}),
        ]:
            forged = copy.deepcopy(document)
            holder = forged["predicate"]
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = value
            # By itself, and against the ledger.
            assert mismatches(None, forged) == named
            assert mismatches(lab, forged) >= named
        for number in (STOPPED, CRASHED, TURNED, LOST):
            with pytest.raises(AttestationError, match="only kept ideas are attested"):
                attest(lab, str(number))


def test_an_idea_that_stopped_has_no_score_anywhere(tiered: Path) -> None:
    with opened(tiered) as lab:
        verdicts, results = records(lab)
        known = {result.value for result in results}
        shown = {idea["number"]: idea for idea in results_document(lab)["ideas"]}
        for number in (STOPPED, TURNED, CRASHED, BATCH):
            record = verdicts[number]
            draft = idea_draft("key", record, "value")
            assert "value" not in draft.metrics and "difference" not in draft.metrics
            assert {name for name in draft.metrics if name.startswith("tier.")} == {
                f"tier.{name}" for name in record.tiers
            }
            assert draft.tags["lab.tier"] == record.tier
            assert (shown[number]["value"], shown[number]["metrics"]) == (None, {})
            for outcome in Feedback(lab).of(record):
                assert outcome.value is None
            assert results_rows([record], "value")[0]["value"] == "none"
            assert not has_chart(record)
            assert "| champion | none |" in iteration_report(record, "value", "")
            with pytest.raises(LabError, match="Only inconclusive ideas go on"):
                plan_reruns(lab, [str(number)], None)
        assert gaps((entry.record for entry in lab.ledger.records()), 1) == []
        champion = lab.ledger.state().champion
        assert champion is not None and champion.number == KEPT and champion.value not in known


def test_a_proposer_that_is_told_no_metric_learns_none_of_a_tier(tiered: Path) -> None:
    text = (tiered / "lab.toml").read_text()
    (tiered / "lab.toml").write_text(text + "\n[feedback]\nmetric = false\n")
    with opened(tiered) as lab:
        (outcome,) = Feedback(lab).of(records(lab)[0][STOPPED])
    assert outcome.reason == "not promoted from the tier rough"
