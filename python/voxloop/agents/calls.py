"""The calls of one response: approval, guardrails, the tool, and what is told about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from voxloop._errors import ModelBehaviorError
from voxloop.agents.agent import Agent, Handoff
from voxloop.agents.desk import LATE, Desk
from voxloop.agents.draft import Draft
from voxloop.agents.events import AgentEvent, AgentToolCall, AgentToolResult
from voxloop.agents.hooks import call_hooks
from voxloop.agents.items import CANCELLED_OUTPUT, call_item
from voxloop.agents.options import RunOptions
from voxloop.agents.resolve import ResolvedAgent
from voxloop.providers import ToolCall
from voxloop.tools import (
    RunContext,
    Tool,
    ToolContent,
    ToolFailure,
    ToolOutcome,
    ToolPart,
    approval_needed,
    format_failure,
    is_enabled,
    run_tool,
    unknown_tool,
)
from voxloop.tools.approval import NOT_APPROVED
from voxloop.tools.parts import content_of


@dataclass(slots=True)
class Call:
    """One call of a response and, once it is there, its output."""

    call: ToolCall
    output: str = ""
    parts: tuple[ToolPart, ...] = ()
    respond: bool = True
    succeeded: bool = False
    handoff: Handoff | None = None

    @property
    def content(self) -> ToolContent:
        """What stands in the history."""
        return content_of(self.parts) if self.parts else self.output


class Caller:
    """Takes the calls of all responses of a turn."""

    def __init__(
        self,
        draft: Draft,
        *,
        context: RunContext[object],
        options: RunOptions,
        desk: Desk,
        emit: Callable[[AgentEvent], Awaitable[None]],
    ) -> None:
        self._draft = draft
        self._context = context
        self._options = options
        self._desk = desk
        self._emit = emit
        # Two limits: an abandoned thread keeps its place among the threads, and must not also
        # keep a coroutine tool from starting.
        self._slots = trio.CapacityLimiter(options.max_parallel_tools)
        self._threads = trio.CapacityLimiter(options.max_parallel_tools)

    async def take(
        self,
        call: ToolCall,
        calls: dict[str, Call],
        resolved: ResolvedAgent,
        nursery: trio.Nursery,
    ) -> None:
        """Start a call; what it comes to is found in `calls`.

        Raises:
            ModelBehaviorError: Another call has the same id.

        **Cancellation:** the call is in the draft, and is closed there when the turn is.
        """
        known = calls.get(call.call_id)
        if known is not None:
            if (known.call.name, known.call.arguments) == (call.name, call.arguments):
                return  # said twice, run once
            raise ModelBehaviorError(f"the model used call id {call.call_id!r} for two calls")
        entry = calls[call.call_id] = Call(call)
        self._draft.items.append(
            call_item(name=call.name, arguments=call.arguments, call_id=call.call_id)
        )
        agent = resolved.agent
        tool = resolved.functions.get(call.name)
        handoff = resolved.handoffs.get(call.name)
        if tool is None and handoff is not None:
            first = next((c.handoff for c in calls.values() if c.handoff), None)
            if first is None:
                entry.handoff = handoff
            else:
                entry.output = f"Not followed: already handing over to {first.agent.name}."
            return
        context = self._context.for_agent(agent.name).for_call(
            tool_name=call.name, call_id=call.call_id, arguments=call.arguments
        )
        if tool is not None and not await is_enabled(tool.is_enabled, context, agent):
            tool = None  # switched off since the model was told of it
        if tool is None:
            await self._announce(call)
            await self._unknown(entry, resolved)
            return
        entry.respond = tool.respond is not False
        asks = await self._asks(tool, call, context)
        await self._announce(call, needs_approval=asks)
        nursery.start_soon(self._run, tool, entry, agent, context)

    async def _announce(self, call: ToolCall, *, needs_approval: bool = False) -> None:
        await self._emit(
            AgentToolCall(
                name=call.name,
                arguments=call.arguments,
                call_id=call.call_id,
                needs_approval=needs_approval,
            )
        )

    async def _asks(self, tool: Tool, call: ToolCall, context: RunContext[object]) -> bool:
        if self._desk.approvals.decision(call.name, call.call_id) is not None:
            return False
        if not await approval_needed(tool, call.arguments, context=context):
            return False
        self._desk.expect(tool.name, call.call_id)
        return True

    async def _run(
        self, tool: Tool, entry: Call, agent: Agent, context: RunContext[object]
    ) -> None:
        hooks = (self._options.hooks, agent.hooks)
        outcome = await self._refused(tool, entry.call)
        if outcome is None:
            outcome = await self._perform(tool, entry.call, agent, context)
        entry.succeeded = outcome.status == "ok"
        await self._answered(entry, outcome)
        await call_hooks("on_tool_end", hooks, context, agent, tool, outcome)
        if outcome.fatal and outcome.error is not None:
            raise outcome.error

    async def _perform(
        self, tool: Tool, call: ToolCall, agent: Agent, context: RunContext[object]
    ) -> ToolOutcome:
        hooks = (self._options.hooks, agent.hooks)

        async def on_start() -> None:
            await call_hooks("on_tool_start", hooks, context, agent, tool)

        kept = tool.on_interrupt in ("keep", "report")
        outcome = ToolOutcome(CANCELLED_OUTPUT, "error", 0.0)
        async with self._slots:
            with trio.CancelScope(shield=kept):
                outcome = await run_tool(
                    tool,
                    call.arguments,
                    context=context,
                    limiter=self._threads,
                    formatter=self._options.failure,
                    on_start=on_start,
                )
                self._draft.outputs[call.call_id] = outcome.content
        return outcome

    async def _refused(self, tool: Tool, call: ToolCall) -> ToolOutcome | None:
        """What a call came to that was not approved; None if it may run."""
        started = trio.current_time()
        decision = await self._desk.decision(
            tool.name, call.call_id, timeout=self._options.approval_timeout
        )
        if decision is None or decision.approved:
            return None
        text = decision.message
        if text in ("", LATE):  # words that a person chose come before a formatter's
            failure = ToolFailure(
                kind="rejected", tool=tool.name, text=text or NOT_APPROVED, call_id=call.call_id
            )
            text = await format_failure(failure, tool.failure, self._options.failure)
        return ToolOutcome(text, "rejected", trio.current_time() - started)

    async def _unknown(self, entry: Call, resolved: ResolvedAgent) -> None:
        text = unknown_tool(entry.call.name, (*resolved.functions, *resolved.handoffs))
        failure = ToolFailure(
            kind="unknown", tool=entry.call.name, text=text, call_id=entry.call.call_id
        )
        output = await format_failure(failure, self._options.failure)
        await self._answered(entry, ToolOutcome(output, "error", 0.0))

    async def _answered(self, entry: Call, outcome: ToolOutcome) -> None:
        entry.output = outcome.output
        entry.parts = outcome.parts
        self._draft.outputs[entry.call.call_id] = outcome.content
        await self._emit(
            AgentToolResult(
                name=entry.call.name,
                output=outcome.output,
                call_id=entry.call.call_id,
                status=outcome.status,
                duration=outcome.duration,
            )
        )
