"""Answers to calls of the model: each is given once, and the model goes on when all are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import msgspec
from msgspec.structs import replace

from voxloop._errors import ConfigError, VoxloopError
from voxloop.realtime.events import ToolResultEvent
from voxloop.realtime.machine import history, latency, moments, responses
from voxloop.realtime.machine.effects import End
from voxloop.realtime.machine.inputs import Answer, ToolFinished
from voxloop.realtime.machine.state import Batch, Call, State
from voxloop.realtime.machine.step import Step, id_of
from voxloop.tools import ToolOutcome, ToolStatus
from voxloop.wire import realtime as rt

KEPT_CALLS = 256
"""Answered calls that are remembered, to know one that comes twice."""
LATEST_CALLS = 32
"""Calls that are kept at hand, the open ones aside; those before them are put by together."""
OUTPUT_CHARACTERS = 2_000_000
"""Characters of an output that the model is told; in any script a message has room for them."""

_STATUSES: Final[dict[str, ToolStatus]] = {status: status for status in get_args(ToolStatus)}


def finished(step: Step, result: ToolFinished) -> None:
    """A function, or a handoff that failed, came to its end."""
    call = step.state.tools.calls.get(result.call_id)
    if call is None or call.status != "running":
        return
    if call.kind == "handoff":
        step.update(agent=replace(step.state.agent, moving=False))
    answer(
        step,
        call,
        clipped(result.output),
        result.status,
        duration=result.duration,
        respond=result.respond,
        error=result.fatal,
    )
    if result.fatal is not None:
        step.do(End(result.fatal))


def answered_by_application(step: Step, command: Answer) -> None:
    """The application answers a call that no function answers."""
    call = step.state.tools.known(command.call_id)
    if call is None or call.kind != "application":
        step.refuse(ConfigError(f"no call {command.call_id!r} waits for the application's answer"))
    elif call.status == "answered":
        step.refuse(ConfigError(f"the call {command.call_id!r} was answered already"))
    else:
        answer(step, call, command.output, "ok")


def answer(
    step: Step,
    call: Call,
    output: str,
    status: str,
    *,
    duration: float | None = None,
    respond: bool | None = None,
    error: VoxloopError | None = None,
) -> None:
    """Tell the server the output of a call, once, and let the model go on when all are there."""
    current = step.state.tools.calls.get(call.call_id)
    if current is None or current.status == "answered":
        return
    if call.in_conversation:
        _tell(step, call, output)
    tools = step.state.tools
    answered = replace(call, status="answered", deadline=None, output=output)
    batch = tools.batches.get(call.response_id, Batch())
    wish = current.respond if respond is None else respond
    batch = replace(
        batch,
        open=batch.open - {call.call_id},
        wanted=batch.wanted or wish is True,
        later=batch.later or wish == "when_idle",
    )
    step.update(
        tools=replace(
            tools,
            calls={**tools.calls, call.call_id: answered},
            batches={**tools.batches, call.response_id: batch},
        ),
        latency=latency.note(step.state.latency, "tool_result", step.at),
    )
    _report(step, call, output, status, duration, error)
    _go_on(step, call.response_id)


def _tell(step: Step, call: Call, output: str) -> None:
    told = telling(step.state, call.call_id, output)
    step.state = replace(step.state, ids=step.state.ids + 2)
    step.send(told)
    changed, entry = history.answered(step.state.history, call.call_id, output, told.item.id)
    step.history(changed, entry, "updated")


def clipped(output: str) -> str:
    """As much of an output as a message can carry, and how much is missing."""
    if len(output) <= OUTPUT_CHARACTERS:
        return output
    kept = OUTPUT_CHARACTERS - 100
    return f"{output[:kept]} [the other {len(output) - kept} characters were left out]"


def telling(state: State, call_id: str, output: str) -> rt.ConversationItemCreate:
    """What tells the server the output of a call; it bears the next two ids."""
    item = rt.Item(
        type="function_call_output",
        id=id_of(state, "item", state.ids + 1),
        call_id=call_id,
        output=clipped(output),
    )
    return rt.ConversationItemCreate(event_id=id_of(state, "item_create", state.ids + 2), item=item)


def _report(
    step: Step,
    call: Call,
    output: str,
    status: str,
    duration: float | None,
    error: VoxloopError | None,
) -> None:
    if call.kind == "handoff":
        return
    taken = duration if duration is not None else step.at - call.called_at
    if moments.wanted(step, call.agent.agent):
        _hook(step, call, ToolOutcome(output, as_status(status), taken, error, error is not None))
    step.emit(
        ToolResultEvent(
            name=call.name,
            call_id=call.call_id,
            output=output,
            status=status,
            duration=taken,
            at=step.at,
        )
    )


def response_over(step: Step, response_id: str) -> None:
    """The response is over: no more calls will come from it."""
    tools = step.state.tools
    batch = tools.batches.get(response_id)
    if batch is not None:
        batches = {**tools.batches, response_id: replace(batch, over=True)}
        step.update(tools=replace(tools, batches=batches))
        _go_on(step, response_id)


def _go_on(step: Step, response_id: str) -> None:
    tools = step.state.tools
    batch = tools.batches[response_id]
    if batch.open or not batch.over:
        return
    batches = {name: value for name, value in tools.batches.items() if name != response_id}
    step.update(tools=replace(tools, batches=batches))
    if batch.beside is not None:
        if batch.wanted or batch.later:
            _go_on_beside(step, response_id, batch.beside)
    elif batch.wanted:
        responses.request(step)
    elif batch.later:
        step.update(tools=replace(step.state.tools, when_idle=True))


def _go_on_beside(step: Step, response_id: str, params: rt.ResponseParams) -> None:
    # Outputs cannot be put into a conversation that their calls are no part of.
    told = params.input
    if told is None:  # it saw the conversation
        entries = step.state.history.current()
        told = [rt.Item(type="item_reference", id=entry.id) for entry in entries]
    made: list[rt.Item] = []
    for call in step.state.tools.calls.values():
        if call.response_id == response_id and call.output is not None:
            made.append(
                rt.Item(
                    type="function_call",
                    name=call.name,
                    call_id=call.call_id,
                    arguments=call.arguments or "{}",
                )
            )
            made.append(
                rt.Item(type="function_call_output", call_id=call.call_id, output=call.output)
            )
    responses.request_outside(step, replace(params, input=[*told, *made]))


def covered(step: Step) -> None:
    """A response of the conversation begins: it sees all outputs that wait for a quiet moment."""
    step.update(tools=replace(step.state.tools, when_idle=False))


def speak_when_idle(step: Step) -> None:
    """Ask for the response that waits until nobody speaks, if nobody does."""
    state = step.state
    if not state.tools.when_idle or not state.line.up:
        return
    if state.turn.speaking or state.sequencer.busy or state.playback.playing(step.at):
        return
    covered(step)
    responses.request(step)


def _hook(step: Step, call: Call, outcome: ToolOutcome) -> None:
    tool = call.agent.functions.get(call.name)
    if tool is not None:
        moments.tool_over(step, call, tool, outcome)


def as_status(status: str) -> ToolStatus:
    """The status as hooks are told it: a call that was stopped has failed."""
    return _STATUSES.get(status, "error")


def open_call(step: Step, call: Call) -> None:
    """Enter a call that has no answer yet."""
    tools = step.state.tools
    batch = tools.batches.get(call.response_id)
    if batch is None:
        track = step.state.turn.responses.get(call.response_id)
        beside = None
        if not call.in_conversation:
            beside = (track.params if track is not None else None) or rt.ResponseParams(
                conversation="none"
            )
        batch = Batch(frozenset((call.call_id,)), over=track is None, beside=beside)
    else:
        batch = replace(batch, open=batch.open | {call.call_id})
    batches = {**tools.batches, call.response_id: batch}
    calls, past = {**tools.calls, call.call_id: call}, tools.past
    if len(calls) > LATEST_CALLS:
        calls, past = _put_by(calls, past, batches)
    step.update(
        tools=replace(tools, calls=calls, past=past, batches=batches),
        latency=latency.note(step.state.latency, "tool_call", step.at),
    )


def _put_by(
    calls: Mapping[str, Call], past: Mapping[str, Call], batches: Mapping[str, Batch]
) -> tuple[dict[str, Call], Mapping[str, Call]]:
    """Divide the calls anew: what is over is past, but for the calls of a response that is not."""
    over = {
        name: call
        for name, call in calls.items()
        if call.status == "answered" and call.response_id not in batches
    }
    left = {name: call for name, call in calls.items() if name not in over}
    if over:
        past = dict(list({**past, **over}.items())[-KEPT_CALLS:])
    return left, past


def put(step: Step, call: Call) -> Call:
    """Replace what is known of a call."""
    tools = step.state.tools
    step.update(tools=replace(tools, calls={**tools.calls, call.call_id: call}))
    return call


def decode_arguments(arguments: str) -> Mapping[str, object] | None:
    """The arguments as an object; None if they are none. No text at all counts as no arguments."""
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
