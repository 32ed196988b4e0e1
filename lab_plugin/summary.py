"""What `lab status` and `lab results` say, as documents and as text."""

from __future__ import annotations

from typing import Any

from lab_plugin.confirmation import confirmation_sentence, first_lock
from lab_plugin.holdout import Looks
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import LockRecord, VerdictRecord
from lab_plugin.mirroring import known_store
from lab_plugin.repository import holder
from lab_plugin.serving import ui_command
from lab_plugin.sharing import standing
from lab_plugin.tier_report import tier_standings
from lab_plugin.tracking import leaderboard_url, served_at


def results_document(lab: Lab) -> dict[str, Any]:
    """Every idea, oldest first; a value is None where there is none."""
    state = lab.ledger.state()
    return {
        "lab": lab.name,
        "goal": lab.config.scorer.goal,
        "metric": lab.config.scorer.metric,
        "epoch": state.lock.epoch if state.lock else None,
        "champion": _champion(lab),
        "tiers": [standing.document() for standing in tier_standings(lab)],
        "ideas": [_idea(record) for record in state.ideas.values()],
    }


def status_document(lab: Lab) -> dict[str, Any]:
    """The lab at a glance."""
    state = lab.ledger.state()
    campaign = state.campaign
    owner = holder(lab.repository, lab.lease_ref)
    words = [record.verdict for record in state.ideas.values()]
    store, shared = known_store(lab), standing(lab)
    served = store and served_at(store)
    return {
        "lab": lab.name,
        "goal": lab.config.scorer.goal,
        "metric": lab.config.scorer.metric,
        "epoch": state.lock.epoch if state.lock else None,
        "baseline": _baseline(lab),
        "champion": _champion(lab),
        "noise": None if state.lock is None else _noise(state.lock),
        "confirmation": None if state.confirmation is None else state.confirmation.model_dump(mode="json"),
        "holdout": _holdout(lab),
        "tiers": [standing.document() for standing in tier_standings(lab)],
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
        "remote": None if shared is None else {**vars(shared), "sentence": shared.sentence},
        "open": {
            "prefect": ui_command(lab.home),
            "mlflow": f"open {served}" if served else store and store.ui_command(),
            "leaderboard": store and leaderboard_url(store, lab.key),
        },
    }


def summary(lab: Lab) -> str:
    """The lab at a glance, as text."""
    document = status_document(lab)
    if document["champion"] is None:
        return _without_lock(lab, document["remote"])
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
    state = lab.ledger.state()
    if state.lock is not None:
        lines.append(f"           {noise_line(state.lock)}")
    for tier in tier_standings(lab):
        went = f"{tier.ideas} ideas, {tier.promoted} went on, {tier.seconds:.1f} s"
        lines += [f"Tier       {tier.name}: {went}", f"           {tier.sentence}"]
    if state.confirmation is not None:
        sentence = confirmation_sentence(state.confirmation, metric, lab.config.scorer.goal)
        lines.append(f"Confirmed  idea {state.confirmation.champion}: {sentence}")
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
    lines += [f"Shared     {document['remote']['sentence']}"] if document["remote"] else []
    lines += [
        f"Take it    lab merge BRANCH   (or: git merge {champion['branch']})",
        f"Prefect UI {document['open']['prefect']}",
        f"MLflow UI  {document['open']['mlflow'] or 'of a block: `lab check` looks its address up'}",
    ]
    if document["open"]["leaderboard"]:
        lines.append(f"           then {document['open']['leaderboard']}")
    return "\n".join(lines)


def _without_lock(lab: Lab, remote: dict[str, Any] | None) -> str:
    if remote is not None and not remote["seen"]:
        return f"The ledger of the lab {lab.name} is not in this clone.\nShared     {remote['sentence']}"
    missing = not_locked(lab)
    return f"{missing.message}\n{missing.remedy}"


def noise_line(lock: LockRecord) -> str:
    """What is known of the metric's noise, in one sentence."""
    found, runs = lock.noise.get(lock.metric), len(lock.calibration.get(lock.metric, ()))
    if found is None:
        return "The noise was not measured: lock the scorer again."
    if not found.sd:
        return f"No noise: {runs + 1} runs with different seeds gave the same {lock.metric}."
    how = "stated" if found.origin == "stated" else f"measured with {runs} seeds"
    least = "no improvement is sure to be found"
    if lock.detectable is not None:
        least = f"improvements from {lock.detectable:.3g} on are found in 9 of 10 cases"
    return f"Noise: a standard deviation of {found.sd:.3g} over seeds, {how}; {least}."


def _baseline(lab: Lab) -> dict[str, Any] | None:
    """What the lab started from: the commit that the newest lock without an idea scored."""
    if lab.ledger.state().lock is None:
        return None
    started = first_lock(lab)
    return {"commit": started.commit, "value": started.value}


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


def _noise(lock: LockRecord) -> dict[str, Any]:
    found = {name: noise.model_dump(mode="json") for name, noise in lock.noise.items()}
    return {"metrics": found, "detectable": lock.detectable}


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
        "tiers": dict(record.tiers),
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
        "pruned": record.pruned.model_dump(mode="json") if record.pruned else None,
        "continues": record.continues or None,
        "repeats": len(record.comparison.seeds) if record.comparison else None,
        "interval": [record.comparison.low, record.comparison.high] if record.comparison else None,
        "error_spent": record.comparison.error_spent if record.comparison else None,
        "corrected": record.comparison.corrected if record.comparison else None,
        "holdout": record.holdout.model_dump(mode="json") if record.holdout else None,
    }
