"""Guardrails as the conversation sees them: answers that are stopped, turns that wait.

A turn is gated while the agent or the run has input guardrails: the server is told not to answer
by itself, the turn's transcript is looked at, and only then is a response asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from voxloop.agents import Agent, InputGuardrail
from voxloop.realtime.config import RunConfig
from voxloop.realtime.events import GuardrailTrippedEvent
from voxloop.realtime.machine import on_hold, responses
from voxloop.realtime.machine.effects import CheckInput, End
from voxloop.realtime.machine.inputs import Judged, Tripped
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.state import Gated, State
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt

KEPT_TRIPPED = 64
"""Responses that were stopped and are remembered, so that each trips once."""


def input_guardrails(config: RunConfig, agent: Agent) -> tuple[InputGuardrail, ...]:
    """All that look at what the user says; none means that turns are not gated."""
    return (*config.input_guardrails, *agent.input_guardrails)


def gated(state: State) -> bool:
    """Whether turns of the user wait to be let in."""
    return bool(input_guardrails(state.config, state.agent.current.agent))


def tripped(step: Step, given: Tripped) -> None:
    """A guardrail has stopped an answer: once for each response."""
    event, turn = given.event, step.state.turn
    if event.response_id in turn.tripped:
        return
    step.update(turn=replace(turn, tripped=(*turn.tripped, event.response_id)[-KEPT_TRIPPED:]))
    step.emit(event)
    if given.error is not None:
        step.do(End(given.error))
        return
    if event.action == "event":
        on_hold.let_out(step, event.response_id)
        return
    track = turn.responses.get(event.response_id)
    active = step.state.sequencer.active
    responses.stop(step, event.response_id)
    newest = active in (None, event.response_id)
    if event.action == "say" and newest and (track is None or track.in_conversation):
        say(step, event.message)


def say(step: Step, message: str) -> None:
    """Have the model say a text in the place of what it would have said."""
    text = (
        "A check has stopped the answer. Say the following to the user in place of it, in these "
        f"words, and nothing else: {message}"
    )
    responses.request(step, rt.ResponseParams(instructions=text, tool_choice="none"))


def hold(step: Step, item_id: str, text: str | None = None) -> None:
    """Let a turn wait; ``text`` is what it says, None if its transcript is still to come."""
    if text is None:
        text = next((e.text for e in step.state.history.current() if e.id == item_id), "") or None
    until = step.at + step.state.config.transcript_timeout
    _put(step, item_id, Gated("transcript", until))
    if text is not None:
        look(step, item_id, text)


def ask(step: Step, item_id: str) -> None:
    """Ask for an answer to a turn, or let it wait first."""
    if gated(step.state):
        hold(step, item_id)
    else:
        responses.request(step)


def look(step: Step, item_id: str, text: str) -> None:
    """What a turn says is known: have it looked at, if it waits for that."""
    waiting = step.state.gates.get(item_id)
    if waiting is None or waiting.status != "transcript":
        return
    _put(step, item_id, Gated("checking", None))
    step.do(CheckInput(item_id, text, step.state.agent.current))


def unknown(step: Step, item_id: str) -> None:
    """What a turn says will not be known: it passes only if all guardrails let failures pass."""
    waiting = step.state.gates.get(item_id)
    if waiting is None or waiting.status != "transcript":
        return
    config, agent = step.state.config, step.state.agent.current.agent
    strict = [g.name for g in input_guardrails(config, agent) if g.on_error != "allow"]
    event = GuardrailTrippedEvent(
        stage="input",
        guardrails=tuple(strict),
        text="",
        message="I could not understand that. Please say it again.",
        item_id=item_id,
        at=step.at,
    )
    _put(step, item_id, Gated("checking", None))
    judged(step, Judged(item_id, event if strict else None, None, step.at))


def judged(step: Step, given: Judged) -> None:
    """The guardrails have looked at a turn."""
    gates = step.state.gates
    if given.item_id not in gates:
        return
    left = {name: gate for name, gate in gates.items() if name != given.item_id}
    step.state = replace(step.state, gates=left)
    event = given.event
    if event is not None:
        step.emit(event)
    if given.error is not None:
        step.do(End(given.error))
    elif event is None or event.action == "event":
        responses.request(step)
    elif event.action == "say":
        say(step, event.message)


def expire(step: Step) -> None:
    """Give up transcripts that do not come."""
    for item_id, gate in tuple(step.state.gates.items()):
        if gate.until is not None and step.at >= gate.until:
            unknown(step, item_id)


def forget(step: Step, item_id: str) -> None:
    """The item of a turn was taken out: there is nothing to answer."""
    gates: Mapping[str, Gated] = step.state.gates
    if item_id in gates:
        left = {name: gate for name, gate in gates.items() if name != item_id}
        step.state = replace(step.state, gates=left)


def message_text(item: rt.Item) -> str:
    """What a message of the user says."""
    return " ".join(part.text for part in item.content or () if part.text)


def _put(step: Step, item_id: str, gate: Gated) -> None:
    step.state = replace(step.state, gates={**step.state.gates, item_id: gate})
