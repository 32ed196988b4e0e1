"""What happens in a campaign, told to whoever listens in this process (the progress bar, tests)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab_plugin.ledger import TierRecord, VerdictRecord


@dataclass(frozen=True)
class CampaignOpened:
    """A campaign starts or goes on.

    Attributes:
        campaign: Its number.
        resumed: It was open before.
        iterations: Verdicts that it has already.
        total: Iterations in its budget, None without that bound.
        champion: The champion's value.
        sandbox: Kind of the sandbox.
        warning: What that sandbox does not hold, and which open ideas are damaged; "" when all is well.
    """

    campaign: int
    resumed: bool
    iterations: int
    total: int | None
    champion: float
    sandbox: str
    warning: str


@dataclass(frozen=True)
class IdeaDecided:
    """An idea has its verdict, and the ledger has it.

    Attributes:
        record: The ledger's record.
        report: Its report, as markdown.
        iterations: Verdicts of the campaign so far.
        kept: Keeps of the campaign so far.
        champion: The champion's value now.
        seconds: Active seconds of the campaign.
        usd: US dollars of the campaign.
    """

    record: VerdictRecord
    report: str
    iterations: int
    kept: int
    champion: float
    seconds: float
    usd: float


@dataclass(frozen=True)
class IdeaScreened:
    """An idea has its result at a tier before the last, and the ledger has it.

    Attributes:
        record: The ledger's record.
        flow_run: Of its iteration; "" for none.
        sentence: Where it stands.
        waits: It waits to be promoted.
    """

    record: TierRecord
    flow_run: str
    sentence: str
    waits: bool


@dataclass(frozen=True)
class IdeaWaits:
    """An idea waits for its owner to approve, edit or skip it.

    Attributes:
        number: Its number.
        title: Its title.
        where: Address of the question; "" where the owner sees it anyway.
    """

    number: int
    title: str
    where: str


@dataclass(frozen=True)
class ChampionConfirmed:
    """The champion met the baseline on fresh seeds.

    Attributes:
        sentence: What came of it.
    """

    sentence: str


@dataclass(frozen=True)
class CampaignEnded:
    """A campaign stops in this process.

    Attributes:
        campaign: Its number.
        reason: Why.
        closed: Its budget is spent; otherwise `lab run` goes on with it.
    """

    campaign: int
    reason: str
    closed: bool


@dataclass(frozen=True)
class Notice:
    """Something that the owner should know at once, and that stops nothing.

    Attributes:
        text: A sentence, with what to do about it.
    """

    text: str


Event = CampaignOpened | IdeaWaits | IdeaScreened | IdeaDecided | ChampionConfirmed | CampaignEnded | Notice
_listeners: list[Callable[[Event], None]] = []


def publish(event: Event) -> None:
    """Tell every listener, in the order in which they came."""
    for listener in tuple(_listeners):
        listener(event)


@contextmanager
def subscribed(listener: Callable[[Event], None]) -> Iterator[None]:
    """Listen as long as the context lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
