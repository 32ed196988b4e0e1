"""Rules that can never promote anything."""

from __future__ import annotations

import math

from lab_plugin.promotion._rules import Goal, Quantile, Rule, Threshold, TopK


def can_fire(rule: Rule, total: int | None, bounds: tuple[float, float] | None, goal: Goal) -> str:
    """Why a rule can never promote anything, or makes no sense; "" where it can.

    Args:
        rule: The tier's.
        total: Ideas that a campaign has at most; None where only something else ends it.
        bounds: The least and the greatest value that the metric can have; None where it is not known, and
            an infinite end where there is none.
        goal: Which values are better.

    Returns:
        A clause such as "the best 5 of every 3 are more than there are".
    """
    match rule:
        case TopK(k, of) if of is not None and k > of:
            return f"the best {k} of every {of} are more than there are"
        case Quantile(share) if total is not None and rule.places(total) == 0:
            wanted = math.ceil(1 / share - 1e-9)
            ideas = "1 idea" if total == 1 else f"{total} ideas"
            return (
                f"a share of {share:g} of at most {ideas} is less than one idea; "
                f"it takes {wanted} ideas, or a larger share"
            )
        case Threshold(bar) if bounds is not None:
            best = bounds[1] if goal == "maximize" else bounds[0]
            if not rule.reached(best, goal):
                side = "more" if goal == "maximize" else "less"
                return f"the metric is never {side} than {best:g}, and the bar is {bar:g}"
    return ""
