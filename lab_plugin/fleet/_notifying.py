"""Prefect automations that call a webhook about a lab: keep, plateau, budget nearly spent, failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lab_plugin.errors import ConfigError
from lab_plugin.fleet._registration import Outcome

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

# What the webhook gets: JSON, with a sentence under the name that chat programs show. Each value passes
# through a filter of its own, as payloads hold what candidates and models wrote.
_BODY = {
    "event": "event.event",
    "lab": "{lab}",
    "text": "({text})",
    "occurred": "event.occurred | string",
    "payload": "event.payload",
}


@dataclass(frozen=True)
class _Notice:
    """One kind of message.

    Attributes:
        word: Names its automation.
        expect: The events.
        text: A Jinja expression: the sentence about it, after the lab's name.
    """

    word: str
    expect: tuple[str, ...]
    text: str


_NOTICES = (
    _Notice(
        "keep",
        ("lab.kept",),
        "': idea ' ~ event.payload.name ~ ' is kept: ' ~ event.payload.metric ~ ' ' ~ event.payload.value",
    ),
    _Notice(
        "plateau", ("lab.plateau",), "': ' ~ event.payload.since_keep ~ ' ideas in a row without a keep'"
    ),
    _Notice(
        "budget",
        ("lab.budget",),
        "': ' ~ (100 * event.payload.share) | round(0) | int ~ ' % of the budget is spent'",
    ),
    _Notice(
        "failure",
        ("prefect.flow-run.Failed", "prefect.flow-run.Crashed"),
        "': the campaign ' ~ event.resource['prefect.resource.name'] ~ ' ended as ' "
        "~ event.resource['prefect.state-name'] ~ ': ' ~ event.resource['prefect.state-message']",
    ),
)


def check_webhook(url: str) -> str:
    """An address that can be called.

    Raises:
        ConfigError: It is none.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ConfigError(
            "--notify takes the address of a webhook, and this is none.",
            "Such as https://hooks.example.org/lab, which takes JSON by POST.",
        )
    return url


async def ensure_notices(client: PrefectClient, lab: str, url: str) -> list[tuple[str, Outcome]]:
    """Have the automations that call a webhook about a lab; one that a person switched off stays so.

    The address is kept in a block, `lab-<lab>-notify`, and shown nowhere.

    Args:
        client: Talks with the API.
        lab: The lab's name.
        url: The webhook.

    Returns:
        Each automation's name, and what was done; `updated` for all where the address changed.
    """
    block, changed = await _ensure_block(client, f"lab-{lab}-notify", url)
    done: list[tuple[str, Outcome]] = []
    for notice in _NOTICES:
        wanted = _automation(notice, lab, block)
        existing = await client.read_automations_by_name(wanted.name)
        if not existing:
            await client.create_automation(wanted)
            done.append((wanted.name, "created"))
            continue
        same = _comparable(existing[0]) == _comparable(wanted)
        if not same:
            wanted.enabled = existing[0].enabled
            await client.update_automation(existing[0].id, wanted)
        done.append((wanted.name, "unchanged" if same and not changed else "updated"))
    return done


async def _ensure_block(client: PrefectClient, name: str, url: str) -> tuple[UUID, bool]:
    """The block's id, and whether the address changed."""
    from prefect.blocks.webhook import Webhook
    from prefect.exceptions import ObjectNotFound

    try:
        document = await client.read_block_document_by_name(name, "webhook", include_secrets=True)
    except ObjectNotFound:
        document = None
    if document is not None and document.data.get("url") == url:
        return document.id, False
    block = Webhook.model_validate(
        {"method": "POST", "url": url, "headers": {"Content-Type": "application/json"}}
    )
    return await block.asave(name, overwrite=True, client=client), document is not None


def _automation(notice: _Notice, lab: str, block: UUID) -> AutomationCore:
    from prefect.events.actions import CallWebhook
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    if notice.word == "failure":
        match: dict[str, Any] = {"prefect.resource.id": "prefect.flow-run.*"}
        related: list[dict[str, Any]] = [
            {"prefect.resource.role": "flow", "prefect.resource.name": "campaign"},
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{lab_tag(lab)}"},
        ]
    else:
        match = {"prefect.resource.id": f"prefect-lab.lab.{lab}-*", "prefect.resource.name": lab}
        related = []
    text = f"{lab!r} ~ {notice.text}"
    fields = (
        f'"{key}": {{{{ {value.format(lab=repr(lab), text=text)} | tojson }}}}'
        for key, value in _BODY.items()
    )
    return AutomationCore.model_validate(
        {
            "name": f"lab {lab}: {notice.word}",
            "description": f"Calls the webhook of the block lab-{lab}-notify; made by `lab deploy --notify`.",
            "tags": ["lab", lab_tag(lab)],
            "trigger": EventTrigger.model_validate(
                {"expect": set(notice.expect), "match": match, "match_related": related}
            ),
            "actions": [CallWebhook(block_document_id=block, payload="{" + ", ".join(fields) + "}")],
        }
    )


def lab_tag(lab: str) -> str:
    """The Prefect tag of what is deployed of a lab."""
    return f"lab-deployed:{lab}"


def _comparable(automation: Automation | AutomationCore) -> dict[str, Any]:
    said = automation.model_dump(mode="json", include={"description", "tags", "trigger", "actions"})
    said["trigger"] = {
        key: sorted(value) if key == "expect" else value
        for key, value in said["trigger"].items()
        if key in ("expect", "match", "match_related", "posture", "threshold")
    }
    said["tags"] = sorted(said["tags"])
    return said
