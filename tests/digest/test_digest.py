"""What a digest says, by records of many kinds and days, in a ledger of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab_plugin.digest import digest_text, make_digest
from lab_plugin.lab import Lab
from lab_plugin.queue import Addition, add_idea
from tests.campaign.conftest import Runner, lock, run
from tests.conftest import git

__all__ = ["run"]


async def test_a_digest_of_a_lab_that_failed_kept_and_waits(
    home: Path, make_lab: Callable[..., Path], run: Runner
) -> None:
    folder = make_lab()
    lab = Lab.open(folder)
    assert "it is not locked yet" in digest_text(make_digest(lab))
    lab.close()
    await lock(folder)
    lab = Lab.open(folder)
    add_idea(lab, Addition(params={"x": "1.0", "y": "1.0"}, title="`<b>` | the optimum"))
    lab.close()
    records = await run(folder, 3)
    lab = Lab.open(folder)
    try:
        found = make_digest(lab, "weekly")
        assert (found.ideas, found.verdicts["kept"]) == (3, 1)
        assert found.strategies == {"tpe": 2, "owner": 1}
        assert found.standing is not None
        assert (found.standing.idea, found.standing.before, found.standing.baseline) == (1, 12.5, 12.5)
        assert found.kept[0].difference == -12.5
        assert found.seconds == sum(record.seconds for record in records)
        text = digest_text(found)
        assert "0001 \\`\\<b\\>\\` \\| the optimum: 0 (-12.5" in text
        assert "`lab confirm`" in text

        # A day later nothing is new, and what waits is told all the same.
        later = datetime.now(UTC) + timedelta(days=2)
        empty = digest_text(make_digest(lab, "daily", later))
        told = "rosenbrock: nothing was tried in the last 24 hours; the champion is still value 0."
        assert empty.startswith(told)
        assert "`lab confirm`" in empty
        week = make_digest(lab, "weekly", later)
        assert (week.since, week.ideas) == ((later - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ"), 3)
    finally:
        lab.close()


async def test_failures_are_grouped_by_what_they_have_in_common(
    home: Path, make_lab: Callable[..., Path], run: Runner
) -> None:
    folder = make_lab()
    candidate = folder / "candidate.py"
    fails = "import json, sys\nx = json.load(open('point.json'))['x']\nif x > 0:\n"
    fails += "    sys.exit(int(x * 10) % 3 + 1)\n"
    candidate.write_text(fails + candidate.read_text())
    git(folder, "commit", "-qam", "Fail")
    await lock(folder)
    lab = Lab.open(folder)
    for x in ("0.1", "0.2", "0.3"):
        add_idea(lab, Addition(params={"x": x}))
    lab.close()
    assert [record.verdict for record in await run(folder, 3)] == ["crashed"] * 3
    lab = Lab.open(folder)
    found = make_digest(lab)
    lab.close()
    ((reason, count),) = found.failures
    assert count == 3 and reason.startswith("crashed: ") and "#" in reason
    assert "## Failures" in digest_text(found)
