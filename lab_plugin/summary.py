"""What `lab status` and `lab results` say, as documents and as text."""

from __future__ import annotations

from typing import Any

from lab_plugin.holdout import Looks
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, VerdictRecord
from lab_plugin.mirroring import open_store
from lab_plugin.repository import holder
from lab_plugin.serving import ui_command
from lab_plugin.tracking import leaderboard_url


def results_document(lab: Lab) -> dict[str, Any]:
    """Every idea, oldest first; a value is None where there is none."""
    state = lab.ledger.state()
    return {
        "lab": lab.name,
        "goal": lab.config.scorer.goal,
        "metric": lab.config.scorer.metric,
        "epoch": state.lock.epoch if state.lock else None,
        "champion": _champion(lab),
        "ideas": [_idea(record) for record in state.ideas.values()],
    }


def status_document(lab: Lab) -> dict[str, Any]:
    """The lab at a glance."""
    state = lab.ledger.state()
    campaign = state.campaign
    owner = holder(lab.repository, lab.lease_ref)
    words = [record.verdict for record in state.ideas.values()]
    store = open_store(lab)
    return {
        "lab": lab.name,
        "goal": lab.config.scorer.goal,
        "metric": lab.config.scorer.metric,
        "epoch": state.lock.epoch if state.lock else None,
        "baseline": _baseline(lab),
        "champion": _champion(lab),
        "holdout": _holdout(lab),
        "ideas": len(words),
        "verdicts": {word: words.count(word) for word in dict.fromkeys(sorted(words))},
        "campaign": None
        if campaign is None
        else {
            "number": campaign.number,
            "strategy": campaign.strategy,
            "budget": dict(campaign.budget),
            "iterations": campaign.spent.iterations,
            "seconds": campaign.spent.seconds,
            "usd": campaign.spent.usd,
        },
        "running": None if owner is None else owner.describe(),
        "open": {
            "prefect": ui_command(lab.home),
            "mlflow": store.ui_command(),
            "leaderboard": leaderboard_url(store, lab.identity),
        },
    }


def summary(lab: Lab) -> str:
    """The lab at a glance, as text."""
    document = status_document(lab)
    if document["champion"] is None:
        return f"The lab {lab.name} is not locked yet: run `lab lock`."
    champion, baseline, metric = document["champion"], document["baseline"], document["metric"]
    verdicts = ", ".join(f"{count} {word}" for word, count in document["verdicts"].items())
    lines = [
        f"Lab        {lab.name} ({lab.config.scorer.goal} {metric}, epoch {document['epoch']})",
        f"Baseline   {metric} {baseline['value']:.6g}   commit {baseline['commit'][:12]}",
        f"Champion   {metric} {champion['value']:.6g}   "
        f"{'idea ' + str(champion['number']) if champion['number'] else 'the baseline'}, "
        f"branch {champion['branch']}, commit {champion['commit'][:12]}",
        f"Ideas      {document['ideas']}{' (' + verdicts + ')' if verdicts else ''}",
    ]
    if document["holdout"]:
        lines.append(f"Hold-out   {_sealed_line(document['holdout'])}")
    campaign = document["campaign"]
    if campaign is not None:
        total = campaign["budget"].get("iterations")
        of = f" of {total:g}" if total is not None else ""
        lines.append(
            f"Campaign   {campaign['number']} is open: {campaign['iterations']}{of} iterations, "
            f"{campaign['seconds']:.0f} s; `lab run` goes on with it"
        )
    if document["running"]:
        lines.append(f"Running    {document['running']}")
    lines += [
        f"Take it    lab merge BRANCH   (or: git merge {champion['branch']})",
        f"Prefect UI {document['open']['prefect']}",
        f"MLflow UI  {document['open']['mlflow']}",
    ]
    if document["open"]["leaderboard"]:
        lines.append(f"           then {document['open']['leaderboard']}")
    return "\n".join(lines)


def _baseline(lab: Lab) -> dict[str, Any] | None:
    """What the lab started from: the commit that the newest lock without an idea scored."""
    locks = [entry.record for entry in lab.ledger.records() if isinstance(entry.record, LockRecord)]
    started = next((lock for lock in reversed(locks) if lock.champion == 0), None)
    return None if started is None else {"commit": started.commit, "value": started.value}


def _holdout(lab: Lab) -> dict[str, Any] | None:
    """What the owner may see of the hold-out; None in a lab without one."""
    state, rules = lab.ledger.state(), lab.config.scorer.holdout
    if rules is None or state.lock is None or state.champion is None:
        return None
    sealed = state.champion.holdout
    looks = Looks(lab)
    return {
        "baseline": state.lock.holdout.value if state.lock.holdout else None,
        "champion": sealed,
        "gap": None if sealed is None else state.champion.value - sealed,
        "looks": looks.spent(),
        "looks_left": looks.left(),
    }


def _sealed_line(holdout: dict[str, Any]) -> str:
    left = holdout["looks_left"]
    looks = f"{holdout['looks']} looks{'' if left is None else f', {left} left'}"
    if holdout["champion"] is None:
        return f"the champion was not scored on it; {looks}"
    return f"champion {holdout['champion']:.6g}, gap {holdout['gap']:+.6g}; {looks}"


def _champion(lab: Lab) -> dict[str, Any] | None:
    champion = lab.ledger.state().champion
    if champion is None:
        return None
    return {
        "number": champion.number,
        "branch": lab.best_branch,
        "commit": champion.commit,
        "value": champion.value,
        "metrics": dict(champion.metrics),
    }


def _idea(record: VerdictRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "title": record.title or record.slug,
        "branch": record.branch,
        "commit": record.commit,
        "parents": list(record.parents),
        "strategy": record.strategy,
        "tier": record.tier,
        "verdict": record.verdict,
        "reason": record.reason,
        "value": record.value,
        "difference": record.difference,
        "metrics": dict(record.metrics),
        "params": dict(record.params),
        "seconds": record.seconds,
        "usd": record.usd,
        "epoch": record.epoch,
        "campaign": record.campaign,
        "duplicate_of": record.duplicate_of,
        "holdout": record.holdout.model_dump(mode="json") if record.holdout else None,
    }
