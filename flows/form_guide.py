"""Approve, edit or skip in the Prefect UI: a form on the iteration's own run, which is paused meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout, PrefectException
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for
from pydantic import Field, create_model

from lab_plugin.config import CategoricalParameter, FloatParameter, Parameter
from lab_plugin.guidance import Answer, GuideGone, Proposal, proposal_text

_BY = "the owner in the Prefect UI"
_YEARS = 10 * 365 * 24 * 3600
_POLL_SECONDS = 2
_log = logging.getLogger("prefect.lab")


class Form(RunInput):
    """The answer to a proposal."""

    choice: Literal["approve", "edit", "skip"] = Field(
        default="approve",
        title="Choice",
        description="Run the proposal, run what you give here instead, or never run it.",
    )


# What comes after the parameters.
_LAST: dict[str, Any] = {
    "revision": (
        str,
        Field(
            default="",
            title="Commit or branch",
            description="For an edit: a commit or branch of the repository with the change to try instead.",
        ),
    ),
    "comment": (str, Field(default="", title="Comment", description="Why; kept with the idea.")),
}


class FormGuide:
    """Asks by pausing the flow run in which it is called, until that is resumed with the form's input."""

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}

    def where(self, number: int) -> str:
        """See `Guide.where`."""
        return url_for("flow-run", obj_id=flow_run.id) or f"flow run {flow_run.id}"

    async def ask(self, proposal: Proposal) -> Answer:
        """See `Guide.ask`."""
        number = proposal.idea.number
        self._asked[number] = self._asked.get(number, 0) + 1
        form, names = form_of(proposal)
        filled = await _filled(form.with_initial_data(description=proposal_text(proposal)), self._key(number))
        return answer_of(proposal, filled.model_dump(), names)

    def _key(self, number: int) -> str:
        """A form that is shown again is another one: the answer to the last is still there."""
        return f"idea-{number}-{self._asked[number]}"


def form_of(proposal: Proposal) -> tuple[type[Form], dict[str, str]]:
    """The form for a proposal: of one point with a field per parameter, of a batch with all points as JSON.

    Returns:
        The form, and field -> parameter.
    """
    space, points = proposal.space, proposal.idea.points
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    if space and len(points) > 1:
        text = json.dumps([dict(point.params) for point in points], indent=1)
        told = "The batch as JSON, a list of objects."
        fields["points"] = (str, Field(default=text, title="Points", description=told))
    elif space:
        params = points[0].params
        for index, name in enumerate(name for name in space if name in params):
            plain = name.isidentifier() and not name.startswith("_") and not hasattr(Form, name)
            taken = name in Form.model_fields or name in _LAST or name == "points"
            field = name if plain and not taken else f"p{index}"
            names[field], fields[field] = name, _field(name, space[name], params[name])
    return create_model("Form", __base__=Form, **fields, **_LAST), names


def answer_of(proposal: Proposal, filled: Mapping[str, Any], names: Mapping[str, str]) -> Answer:
    """What a filled form says; other values than those proposed are an edit, whatever the choice.

    Args:
        proposal: What was asked about.
        filled: Field -> value.
        names: Field -> parameter.
    """
    choice, comment, revision = filled["choice"], filled["comment"], filled["revision"].strip()
    if choice == "skip":
        return Answer("skip", _BY, comment)
    points = _points(proposal, filled, names)
    if choice == "approve" and not points and not revision:
        return Answer("approve", _BY, comment)
    return Answer("edit", _BY, comment, points=points, revision=revision)


def _points(
    proposal: Proposal, filled: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[Mapping[str, str], ...]:
    """The values of the points; none where they are those of the proposal."""
    before = [dict(point.params) for point in proposal.idea.points]
    if "points" in filled:
        try:
            given = json.loads(filled["points"])
        except ValueError:
            given = None
        if not isinstance(given, list) or not all(isinstance(point, dict) for point in given):
            # As no value of any parameter it is refused with its name.
            given = [{"points": filled["points"]}]
    else:
        given = [{name: filled[field] for field, name in names.items()}] if names else []
    if given == before or (len(given) == len(before) == 1 and given[0].items() <= before[0].items()):
        return ()
    return tuple({str(name): _text(value) for name, value in point.items()} for point in given)


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _field(name: str, parameter: Parameter, value: Any) -> tuple[Any, Any]:
    """A field with the parameter's type and bounds, filled with what is proposed."""
    if isinstance(parameter, CategoricalParameter):
        kind: Any = Literal[tuple(parameter.choices)]
        return (kind, Field(default=value, title=name))
    kind = float if isinstance(parameter, FloatParameter) else int
    told = f"{parameter.low:g} to {parameter.high:g}"
    return (kind, Field(default=value, title=name, description=told, ge=parameter.low, le=parameter.high))


async def _filled(form: type[Form], key: str) -> Form:
    """Pause the flow run, and wait until it is resumed with the form's input."""
    try:
        filled = await apause_flow_run(form, timeout=_YEARS, poll_interval=_POLL_SECONDS, key=key)
    except FlowPauseTimeout as error:
        raise GuideGone(str(error)) from None
    except (httpx.HTTPError, PrefectException) as error:
        _log.warning("The Prefect API does not tell of an answer, and is asked again: %s", error)
        return await _still_filled(form, key)
    assert filled is not None
    return filled


async def _still_filled(form: type[Form], key: str) -> Form:
    """Wait on, after the API was gone for a while."""
    keys = keyset_from_base_key(f"paused-{key}")
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        try:
            async with get_client() as client:
                state = (await client.read_flow_run(UUID(flow_run.id))).state
                if state is not None and state.is_running():
                    return await form.aload(keys)
        except (httpx.HTTPError, PrefectException) as error:
            _log.debug("The Prefect API is still gone: %s", error)
