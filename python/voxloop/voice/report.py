"""Tools and handoffs, as events and as telemetry."""

from __future__ import annotations

import time

from voxloop.agents import AgentHandoff, AgentToolCall, AgentToolResult
from voxloop.voice.events import HandoffEvent, ToolEvent
from voxloop.voice.output import Output
from voxloop.voice.probe import Probe


async def report_tool(
    event: AgentToolCall | AgentToolResult, turn_id: int, output: Output, probe: Probe
) -> None:
    """Tell that a tool was called or has answered."""
    now = time.monotonic()
    known = {"turn_id": turn_id, "tool": event.name, "call_id": event.call_id}
    if isinstance(event, AgentToolCall):
        probe.emit("voice.tool.start", {"at": now}, **known, arguments=probe.text(event.arguments))
        told = ToolEvent(
            kind="call",
            name=event.name,
            call_id=event.call_id,
            arguments=event.arguments,
            needs_approval=event.needs_approval,
            turn_id=turn_id,
            at=now,
        )
    else:
        measured = {"duration_ms": event.duration * 1000}
        result = probe.text(event.output)
        probe.emit("voice.tool.stop", measured, **known, status=event.status, output=result)
        told = ToolEvent(
            kind="result",
            name=event.name,
            call_id=event.call_id,
            output=event.output,
            status=event.status,
            duration=event.duration,
            turn_id=turn_id,
            at=now,
        )
    await output.emit(told)


async def report_handoff(event: AgentHandoff, turn_id: int, output: Output, probe: Probe) -> None:
    """Tell that another agent answers from here on."""
    now = time.monotonic()
    who = {"from_agent": event.from_agent, "to_agent": event.to_agent}
    probe.emit("voice.handoff", {"at": now}, turn_id=turn_id, **who)
    await output.emit(
        HandoffEvent(from_agent=event.from_agent, to_agent=event.to_agent, turn_id=turn_id, at=now)
    )
