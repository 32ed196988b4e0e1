"""`lab simulate`: a campaign in virtual time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab_plugin.cli._options import JsonOption, LabOption, number, opened, print_json, print_table

if TYPE_CHECKING:
    from lab_plugin.simulation import Plan, Scenario, Simulation

_MADE_UP = 5_000
_SEARCHED = 200
_MOMENTS = (1 / 64, 1 / 16, 1 / 4, 1)


def simulate(
    jobs: Annotated[
        str, typer.Option("-j", "--jobs", metavar="N,...", help="Slots; several are simulated side by side.")
    ] = "1,4,16,64",
    ideas: Annotated[
        int | None,
        typer.Option("-n", "--ideas", metavar="N", help="Ideas (default: as many as the ledger has)."),
    ] = None,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="Let this strategy make the ideas (default: the ledger's).")
    ] = "",
    tier: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:KEY=VALUE,...",
            help="A tier before the last, the cheapest first: seconds, or cost (share of the last tier's); "
            "rho (rank correlation); promote (quantile:0.33, top_k:2/8, threshold:0.9, decision). "
            "Default: the lab's own tiers; 'none' for none.",
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML with [tiers.NAME] and [synthetic] instead.")
    ] = None,
    synthetic: Annotated[
        str,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="A made-up lab: seconds (mean of a trial), spread (of their logarithm), noise, crashes.",
        ),
    ] = "",
    overhead_ms: Annotated[
        float | None,
        typer.Option("--overhead-ms", min=0, help="Orchestration of a trial (default: as in the ledger)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same simulation.")] = 0,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan a budget: the lab's ideas, or made-up ones, with other slots, tiers or strategy. Runs nothing."""
    from lab_plugin.simulation import document, read_plan
    from lab_plugin.simulation import simulate as run

    slots = _slots(jobs)
    plain = tier == ["none"]
    written = read_plan(plan, () if plain else tier or (), synthetic)
    scenario = _scenario(written, lab, ideas, strategy, overhead_ms, seed)
    if plain:
        scenario = replace(scenario, screens=())
    simulation = run(scenario, slots)
    if as_json:
        print_json(document(scenario, simulation))
    else:
        _show(scenario, simulation)


def _slots(text: str) -> list[int]:
    from lab_plugin.errors import ConfigError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 and int(part) for part in parts):
        raise ConfigError(
            f"--jobs {text!r}: a number of slots is a whole number from 1.", "Such as --jobs 1,4,16,64."
        )
    return list(dict.fromkeys(map(int, parts)))


def _scenario(
    plan: Plan, lab: Path | None, ideas: int | None, strategy: str, overhead_ms: float | None, seed: int
) -> Scenario:
    from lab_plugin.simulation import MOST_IDEAS, Scenario, costs_of, read_history

    parameters, settings = None, {}
    if plan.synthetic is not None:
        wanted = (_SEARCHED if strategy else _MADE_UP) if ideas is None else ideas
        history = plan.synthetic.history(min(max(wanted, _SEARCHED), MOST_IDEAS), seed)
    else:
        with opened(lab, reads=True) as this:
            history = read_history(this)
            space, own = this.config.search_space, this.config.strategy
        parameters = space.parameters if space else None
        settings = dict(own.settings) if own.name == strategy else {}
        wanted = len(history.ideas) if ideas is None else ideas
    return Scenario(
        history=history,
        screens=plan.screens or history.screens,
        ideas=wanted,
        costs=costs_of(history, None if overhead_ms is None else overhead_ms / 1e3),
        strategy=strategy,
        settings=settings,
        parameters=parameters,
        synthetic=plan.synthetic,
        seed=seed,
    )


def _show(scenario: Scenario, simulation: Simulation) -> None:
    from lab_plugin.simulation import document

    told = document(scenario, simulation)
    tiers = [screen.name for screen in scenario.screens] + [scenario.history.last]
    runs: list[dict[str, Any]] = told["runs"]
    paid = any(run["usd"] for run in runs)
    header = ["slots", "ideas", "hours", "times one", "candidates", "orchestration", "idle", "API busy"]
    header += [f"hours at {tier}" for tier in tiers]
    rows = [
        [
            str(run["slots"]),
            str(run["ideas"]),
            f"{run['hours']:.3g}",
            f"{run['times_one_slot']:.1f}",
            *(_percent(run[f"{share}_share"]) for share in ("candidate", "orchestration", "idle", "api")),
            *(f"{run['tiers'].get(tier, {}).get('candidate_hours', 0):.3g}" for tier in tiers),
            *([f"{run['usd']:.2f}"] if paid else []),
        ]
        for run in runs
    ]
    print_table([*header, *(["USD"] if paid else [])], rows)
    print()
    _show_best(scenario, simulation)
    print()
    for note in told["notes"]:
        print(note)


def _show_best(scenario: Scenario, simulation: Simulation) -> None:
    from lab_plugin.simulation import best_at

    longest = max(outcome.trace.seconds for outcome in simulation.outcomes)
    rows = []
    for moment in _MOMENTS:
        found = (best_at(outcome, moment * longest) for outcome in simulation.outcomes)
        rows.append(
            [f"{moment * longest / 3600:.3g} h", *(number(best.quality if best else None) for best in found)]
        )
    slots = (f"-j {outcome.trace.slots}" for outcome in simulation.outcomes)
    print_table([f"best {scenario.history.metric} by", *slots], rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
