"""A digest as markdown that also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from lab_plugin.digest._digest import Digest, Keep, Standing

_SPANS = {"daily": "the last 24 hours", "weekly": "the last 7 days"}


def digest_text(digest: Digest) -> str:
    """A digest for people; one line says that nothing was tried."""
    span = _SPANS[digest.period]
    if not digest.ideas:
        return f"{_nothing(digest, span)}\n{_section('Waits for a person', digest.waits)}"
    counts = ", ".join(f"{count} {word}" for word, count in digest.verdicts.items())
    by = ", ".join(f"{name} {count}" for name, count in digest.strategies.items())
    lines = [f"# {digest.lab}: {span}", "", f"**{digest.ideas} ideas** had their verdict: {counts} ({by})."]
    text = "\n".join(lines) + "\n"
    if digest.standing is not None:
        text += _section("Best so far", _standing(digest, digest.standing))
    text += _section("Kept", (_kept(keep) for keep in digest.kept))
    spent = f"{digest.seconds / 60:.1f} min of programs, {digest.usd:.2f} USD."
    text += _section("Spending", (spent, *digest.campaigns))
    text += _section("Failures", (f"{count} x {_inline(reason)}" for reason, count in digest.failures))
    text += _section("Tiers", digest.tiers)
    text += _section("Waits for a person", digest.waits)
    return text + _section("Links", (f"{name}: {address}" for name, address in digest.links.items()))


def _nothing(digest: Digest, span: str) -> str:
    best = digest.standing
    told = (
        "it is not locked yet" if best is None else f"the champion is still {digest.metric} {best.value:.6g}"
    )
    return f"{digest.lab}: nothing was tried in {span}; {told}."


def _standing(digest: Digest, best: Standing) -> Iterable[str]:
    who = f"idea {best.idea}" if best.idea else "the baseline"
    yield f"{digest.metric} **{best.value:.6g}** ({digest.goal}), {who}, branch `{best.branch}`"
    if best.idea:
        moved = f"{best.value - best.before:+.6g}" if best.value != best.before else "no change"
        yield f"{moved} in this time, {best.value - best.baseline:+.6g} from the baseline"
    if best.confirmed:
        yield f"confirmed: {best.confirmed}"


def _kept(keep: Keep) -> str:
    text = f"{_inline(keep.name)}: {'none' if keep.value is None else format(keep.value, '.6g')}"
    if keep.difference is not None:
        text += f" ({keep.difference:+.6g}"
        if keep.low is not None or keep.high is not None:
            ends = (
                "-inf" if keep.low is None else f"{keep.low:+.4g}",
                f"{keep.high:+.4g}" if keep.high else "",
            )
            text += f", interval {ends[0]} to {ends[1] or 'inf'}"
        if keep.corrected is not None:
            text += f", {keep.corrected:+.4g} when corrected for its selection"
        text += ")"
    return f"{text}, branch `{keep.branch}`"


def _section(title: str, lines: Iterable[str]) -> str:
    shown = [f"- {line}" for line in lines]
    return "\n".join(["", f"## {title}", "", *shown]) + "\n" if shown else ""


def _inline(text: str) -> str:
    """Text of a candidate's, without the power to be anything but text."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|" else letter for letter in plain)
