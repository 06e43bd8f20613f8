"""Calls of the model: who answers them, that each is answered once, and when the model goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from voxloop._errors import ConfigError, ModelBehaviorError
from voxloop.realtime import history, latency, responses
from voxloop.realtime.effects import RunHandoff, RunTool
from voxloop.realtime.events import ToolCallEvent, ToolResultEvent
from voxloop.realtime.inputs import Answer, Decide, ToolFinished
from voxloop.realtime.state import Batch, Call, ToolState
from voxloop.realtime.step import Step
from voxloop.tools import Tool, unknown_tool
from voxloop.wire import realtime as rt

KEPT_CALLS = 256
"""Answered calls that are remembered, to know one that comes twice."""


def called(step: Step, item: rt.Item, response_id: str) -> None:
    """The model has finished a ``function_call`` item."""
    name, call_id, arguments = item.name or "", item.call_id or "", item.arguments or ""
    if not call_id:
        step.error(ModelBehaviorError(f"the model called {name!r} without a call_id; ignored"))
        return
    seen = step.state.tools.calls.get(call_id)
    if seen is not None:
        if (seen.name, seen.arguments) != (name, arguments):
            text = f"the call_id {call_id!r} came twice with other content; ignored"
            step.error(ModelBehaviorError(text))
        return
    agent = step.state.agent.current
    call = Call(
        call_id=call_id,
        name=name,
        arguments=arguments,
        item_id=item.id or "",
        response_id=response_id,
        agent=agent,
        kind="handoff" if name in agent.handoffs else "function",
        status="running",
        called_at=step.at,
    )
    _open(step, call)
    step.update(latency=latency.note(step.state.latency, "tool_call", step.at))
    if call.kind == "handoff":
        _hand_over(step, call)
    elif name in agent.functions:
        _dispatch(step, call, agent.functions[name])
    else:
        # The model is not asked to go on: it would call again what is not there.
        known = [*agent.functions, *agent.handoffs]
        step.error(ModelBehaviorError(f"the model called the tool {name!r}, which is not there"))
        answer(step, call, unknown_tool(name, known), "error", respond=False)


def finished(step: Step, result: ToolFinished) -> None:
    """A function, or a handoff that failed, came to its end."""
    call = step.state.tools.calls.get(result.call_id)
    if call is None or call.status != "running":
        return
    if call.kind == "handoff":
        step.update(agent=replace(step.state.agent, moving=False))
    answer(step, call, result.output, result.status, duration=result.duration)


def answered_by_application(step: Step, command: Answer) -> None:
    """The application answers a call that no function answers."""
    call = step.state.tools.calls.get(command.call_id)
    if call is None or call.kind != "application":
        step.refuse(ConfigError(f"no call {command.call_id!r} waits for the application's answer"))
    elif call.status == "answered":
        step.refuse(ConfigError(f"the call {command.call_id!r} was answered already"))
    else:
        answer(step, call, command.output, "ok")


def decided(step: Step, command: Decide) -> None:
    """The application approves or rejects a call."""
    call = step.state.tools.calls.get(command.call_id)
    if call is None or call.status != "approval":
        step.refuse(ConfigError(f"no call {command.call_id!r} waits for approval"))
        return
    if not command.approved:
        answer(step, call, command.message or "The call was not approved.", "rejected")
        return
    call = _put(step, replace(call, status="running", deadline=None))
    step.do(RunTool(call, call.agent.functions[call.name]))


def expire(step: Step) -> None:
    """Answer the calls whose time is over."""
    for call in tuple(step.state.tools.calls.values()):
        if call.status == "answered" or call.deadline is None or step.at < call.deadline:
            continue
        if call.status == "approval":
            answer(step, call, "The call was not approved in time.", "rejected")
        else:
            answer(step, call, f"Tool {call.name!r} gave no answer in time.", "timeout")


def answer(
    step: Step,
    call: Call,
    output: str,
    status: str,
    *,
    duration: float | None = None,
    respond: bool | None = None,
) -> None:
    """Tell the server the output of a call, once, and let the model go on when all are there."""
    current = step.state.tools.calls.get(call.call_id)
    if current is None or current.status == "answered":
        return
    item = rt.Item(
        type="function_call_output",
        id=step.new_id("item"),
        call_id=call.call_id,
        output=output,
    )
    step.send(rt.ConversationItemCreate(event_id=step.new_id("item_create"), item=item))
    changed, entry = history.answered(step.state.history, call.call_id, output)
    step.history(changed, entry, "updated")
    _put(step, replace(call, status="answered", deadline=None))
    step.update(latency=latency.note(step.state.latency, "tool_result", step.at))
    if call.kind != "handoff":
        taken = duration if duration is not None else step.at - call.called_at
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
    tools = step.state.tools
    batch = tools.batches.get(call.response_id, Batch())
    wanted = batch.wanted or (call.respond if respond is None else respond)
    batch = replace(batch, open=batch.open - {call.call_id}, wanted=wanted)
    step.update(tools=replace(tools, batches={**tools.batches, call.response_id: batch}))
    _go_on(step, call.response_id)


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
    if batch.wanted:
        responses.request(step)


def _dispatch(step: Step, call: Call, tool: Tool) -> None:
    config = step.state.config
    args = decode_arguments(call.arguments)
    approval = tool.handler is not None and tool.name in config.tools_to_approve
    call = replace(call, respond=tool.respond is not False)
    if approval:
        call = replace(call, status="approval", deadline=step.at + config.approval_timeout)
    elif tool.handler is None:
        deadline = None if tool.timeout is None else step.at + tool.timeout
        call = replace(call, kind="application", deadline=deadline)
    _put(step, call)
    if args is None and tool.handler is None:
        answer(step, call, f"The arguments of {tool.name!r} are not a JSON object.", "error")
        return
    step.emit(
        ToolCallEvent(
            name=call.name,
            args=args or {},
            call_id=call.call_id,
            handled=tool.handler is not None,
            needs_approval=approval,
            at=step.at,
        )
    )
    if tool.handler is not None and not approval:
        step.do(RunTool(call, tool))


def _hand_over(step: Step, call: Call) -> None:
    slot = step.state.agent
    if slot.moving or (slot.moved_in is not None and slot.moved_in == call.response_id):
        answer(step, call, "The conversation was already transferred.", "error", respond=False)
        return
    step.update(agent=replace(slot, moving=True, moved_in=call.response_id))
    step.do(RunHandoff(call, call.agent.handoffs[call.name]))


def _open(step: Step, call: Call) -> None:
    tools = step.state.tools
    batch = tools.batches.get(call.response_id)
    if batch is None:
        running = call.response_id in step.state.turn.responses
        batch = Batch(over=not running)
    batch = replace(batch, open=batch.open | {call.call_id})
    calls = dict(tools.calls)
    answered = [name for name, old in calls.items() if old.status == "answered"]
    for name in answered[: max(0, len(answered) - KEPT_CALLS)]:
        del calls[name]
    calls[call.call_id] = call
    step.update(tools=ToolState(calls, {**tools.batches, call.response_id: batch}))


def _put(step: Step, call: Call) -> Call:
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
