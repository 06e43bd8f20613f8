"""A call that came: whether it may run, who has to allow it, and what an interruption does."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from voxloop._errors import ConfigError, ModelBehaviorError
from voxloop.realtime.events import ToolCallEvent
from voxloop.realtime.machine import toolcalls
from voxloop.realtime.machine.effects import CancelTool, Examine, Explain, RunHandoff, RunTool
from voxloop.realtime.machine.inputs import Decide, Examined
from voxloop.realtime.machine.state import Call
from voxloop.realtime.machine.step import Step
from voxloop.tools import Tool, ToolFailure, unknown_tool
from voxloop.tools.approval import NOT_APPROVED
from voxloop.wire import realtime as rt

INTERRUPTED = "The user interrupted; the call was stopped."
"""What the model reads about a call that was stopped by an interruption."""


def called(step: Step, item: rt.Item, response_id: str) -> None:
    """The model has finished a ``function_call`` item."""
    name, call_id, arguments = item.name or "", item.call_id or "", item.arguments or ""
    if not call_id:
        step.error(ModelBehaviorError(f"the model called {name!r} without a call_id; ignored"))
        return
    seen = step.state.tools.known(call_id)
    if seen is not None:
        if (seen.name, seen.arguments) != (name, arguments):
            text = f"the call_id {call_id!r} came twice with other content; ignored"
            step.error(ModelBehaviorError(text))
        return
    track = step.state.turn.responses.get(response_id)
    # The response was given the tools of the agent that began it, whoever has the word by now.
    agent = step.state.agent.current if track is None or track.by is None else track.by
    tool = agent.functions.get(name)
    call = Call(
        call_id=call_id,
        name=name,
        arguments=arguments,
        item_id=item.id or "",
        response_id=response_id,
        agent=agent,
        kind="handoff" if tool is None and name in agent.handoffs else "function",
        status="running",
        called_at=step.at,
        respond=True if tool is None else tool.respond,
        in_conversation=track is None or track.in_conversation,
    )
    toolcalls.open_call(step, call)
    if tool is not None:
        _dispatch(step, call, tool)
    elif call.kind == "handoff":
        _hand_over(step, call)
    else:
        _unknown(step, call)


def examined(step: Step, found: Examined) -> None:
    """The tool's own functions have said whether the call may run, and who has to allow it."""
    call = step.state.tools.calls.get(found.call_id)
    if call is None or call.status != "checking":
        return
    if not found.enabled:
        _unknown(step, toolcalls.put(step, replace(call, status="running")))
    else:
        _admit(step, call, call.agent.functions[call.name], asks=found.needs_approval)


def decided(step: Step, command: Decide) -> None:
    """The application approves or rejects a call, and with ``always`` all others of the tool."""
    call = step.state.tools.calls.get(command.call_id)
    if call is None or call.status != "approval":
        step.refuse(ConfigError(f"no call {command.call_id!r} waits for approval"))
        return
    tools = step.state.tools
    message, always = command.message or "", command.always
    if command.approved:
        approvals = tools.approvals.approve(call.name, call.call_id, always=always)
    else:
        approvals = tools.approvals.reject(call.name, call.call_id, always=always, message=message)
    step.update(tools=replace(tools, approvals=approvals))
    for other in tuple(tools.calls.values()):
        same = other.call_id == call.call_id or (always and other.name == call.name)
        if same and other.status == "approval":
            _carry_out(step, other, approved=command.approved, message=message)


def expire(step: Step) -> None:
    """Answer the calls whose time is over."""
    for call in tuple(step.state.tools.calls.values()):
        if call.status == "answered" or call.deadline is None or step.at < call.deadline:
            continue
        if call.status == "approval":
            late = "The call was not approved in time."
            _carry_out(step, call, approved=False, message="", usual=late)
        else:
            text = f"Tool {call.name!r} gave no answer in time."
            toolcalls.answer(step, call, text, "timeout")


def interrupted(step: Step) -> None:
    """The user interrupts: calls go on, are stopped, or run to their end without an answer."""
    for call in tuple(step.state.tools.calls.values()):
        tool = call.agent.functions.get(call.name)
        if call.status == "answered" or call.kind == "handoff" or tool is None:
            continue
        if tool.on_interrupt == "report":
            toolcalls.put(step, replace(call, respond=False))
        elif tool.on_interrupt == "cancel":
            step.do(CancelTool(call.call_id))
            toolcalls.answer(step, call, INTERRUPTED, "cancelled", respond=False)


def _unknown(step: Step, call: Call) -> None:
    # The model is not asked to go on: it would call again what is not there.
    known = [*call.agent.functions, *call.agent.handoffs]
    name = call.name
    step.error(ModelBehaviorError(f"the model called the tool {name!r}, which is not there"))
    text = unknown_tool(name, [other for other in known if other != name])
    failure = ToolFailure(kind="unknown", tool=name, text=text, call_id=call.call_id)
    _explain(step, call, None, failure, "error", respond=False)


def _dispatch(step: Step, call: Call, tool: Tool) -> None:
    policy: object = tool.needs_approval
    if step.state.tools.approvals.decision(tool.name, call.call_id) is not None:
        policy = False  # it is known already, and no one is asked
    if not isinstance(tool.is_enabled, bool) or not isinstance(policy, bool):
        toolcalls.put(step, replace(call, status="checking"))
        step.do(Examine(call, tool))
    else:
        _admit(step, call, tool, asks=bool(policy))


def _admit(step: Step, call: Call, tool: Tool, *, asks: bool) -> None:
    config = step.state.config
    args = toolcalls.decode_arguments(call.arguments)
    here = tool.handler is not None
    decision = step.state.tools.approvals.decision(tool.name, call.call_id)
    asks = here and decision is None and (asks or tool.name in config.tools_to_approve)
    status: Literal["approval", "running"] = "approval" if asks else "running"
    if asks:
        deadline = step.at + config.approval_timeout
        call = toolcalls.put(step, replace(call, status=status, deadline=deadline))
    elif not here:
        until = None if tool.timeout is None else step.at + tool.timeout
        known = replace(call, status=status, kind="application", deadline=until)
        call = toolcalls.put(step, known)
    if args is None and not here:
        text = f"The arguments of {tool.name!r} are not a JSON object."
        toolcalls.answer(step, call, text, "error")
        return
    step.emit(
        ToolCallEvent(
            name=call.name,
            args=args or {},
            call_id=call.call_id,
            handled=here,
            needs_approval=asks,
            at=step.at,
        )
    )
    if here and not asks:
        approved = decision is None or decision.approved
        message = "" if decision is None else decision.message
        _carry_out(step, call, approved=approved, message=message)


def _carry_out(
    step: Step, call: Call, *, approved: bool, message: str, usual: str = NOT_APPROVED
) -> None:
    tool = call.agent.functions[call.name]
    if call.status != "running" or call.deadline is not None:
        call = toolcalls.put(step, replace(call, status="running", deadline=None))
    if approved:
        step.do(RunTool(call, tool))
    elif message:  # words that a person chose come before a formatter's
        toolcalls.answer(step, call, message, "rejected")
    else:
        failure = ToolFailure(kind="rejected", tool=tool.name, text=usual, call_id=call.call_id)
        _explain(step, call, tool, failure, "rejected")


def _explain(
    step: Step,
    call: Call,
    tool: Tool | None,
    failure: ToolFailure,
    status: str,
    *,
    respond: bool | None = None,
) -> None:
    own = None if tool is None else tool.failure
    if own is None and step.state.config.failure is None:
        toolcalls.answer(step, call, failure.text, status, respond=respond)
    else:
        step.do(Explain(call, tool, failure, status, respond))


def _hand_over(step: Step, call: Call) -> None:
    slot = step.state.agent
    if slot.moving or (slot.moved_in is not None and slot.moved_in == call.response_id):
        text = "The conversation was already transferred."
        toolcalls.answer(step, call, text, "error", respond=False)
    elif not call.in_conversation:
        text = "The conversation cannot be transferred from here."
        toolcalls.answer(step, call, text, "error")
    elif slot.hops >= step.state.config.max_handoffs:
        text = f"The conversation was transferred {slot.hops} times already: answer the user now."
        step.error(ModelBehaviorError(f"{slot.hops} handoffs in one turn; the next was refused"))
        toolcalls.answer(step, call, text, "error")
    else:
        step.update(agent=replace(slot, moving=True, moved_in=call.response_id, hops=slot.hops + 1))
        step.do(RunHandoff(call, call.agent.handoffs[call.name]))
