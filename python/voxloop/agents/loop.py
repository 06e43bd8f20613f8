"""The agent loop: ask the model, run the tools it calls, follow a handoff, ask again."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from voxloop._errors import MaxTurnsExceeded, ModelBehaviorError
from voxloop.agents.agent import Handoff
from voxloop.agents.conversation import call_item, output_item
from voxloop.agents.draft import Draft
from voxloop.agents.events import (
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    ModelStatus,
)
from voxloop.agents.resolve import ResolvedAgent, resolve
from voxloop.agents.scope import open_nursery
from voxloop.providers import (
    LanguageModel,
    ModelDone,
    ModelRequest,
    TextDelta,
    TextDone,
    ToolCall,
)
from voxloop.tools import JsonObject, RunContext, Tool, ToolStatus, run_tool, unknown_tool


@dataclass(slots=True)
class _Call:
    """One call of a round and, once it is there, its output."""

    call: ToolCall
    output: str = ""
    respond: bool = True
    handoff: Handoff | None = None


class Loop:
    """Rounds of one turn; every event goes out through `emit`, every item into `draft`."""

    def __init__(
        self,
        draft: Draft,
        *,
        history: tuple[JsonObject, ...],
        context: RunContext[object],
        model: LanguageModel,
        emit: Callable[[AgentEvent], Awaitable[None]],
        max_turns: int,
        max_parallel_tools: int,
    ) -> None:
        self._draft = draft
        self._history = history
        self._context = context
        self._model = model
        self._emit = emit
        self._max_turns = max_turns
        # Two limits: an abandoned thread keeps its place among the threads, and must not also
        # keep a coroutine tool from starting.
        self._slots = trio.CapacityLimiter(max_parallel_tools)
        self._threads = trio.CapacityLimiter(max_parallel_tools)

    async def run(self) -> None:
        """Go round until the model calls nothing more."""
        for _ in range(self._max_turns):
            calls, status = await self._round()
            if not any(call.respond for call in calls):
                text, agent = self._draft.text(), self._draft.agent.name
                await self._emit(AgentDone(text=text, agent=agent, status=status))
                return
        raise MaxTurnsExceeded(
            f"agent {self._draft.agent.name!r} still called tools after {self._max_turns} "
            "responses; raise max_turns or make its instructions clearer"
        )

    async def _round(self) -> tuple[list[_Call], ModelStatus]:
        resolved = await resolve(self._draft.agent, self._context)
        request = ModelRequest(
            model=resolved.agent.model,
            instructions=resolved.instructions,
            items=(*self._history, *self._draft.items),
            tools=resolved.schemas,
        )
        calls: dict[str, _Call] = {}
        done: ModelDone | None = None
        async with open_nursery() as nursery:
            async with self._model.respond(request) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text):
                            await self._say(text)
                        case TextDone(text=text):
                            await self._end_text(text)
                        case ToolCall():
                            await self._end_text(None)
                            await self._take(event, calls, resolved, nursery)
                        case ModelDone():
                            done = event
            await self._end_text(None)
        if done is None:
            raise ModelBehaviorError("the model's answer ended without ModelDone")
        self._draft.count(done.usage)
        await self._conclude(list(calls.values()))
        return list(calls.values()), done.status

    async def _say(self, text: str) -> None:
        if text:
            self._draft.open_text += text
            await self._emit(AgentText(text))

    async def _end_text(self, whole: str | None) -> None:
        if whole and not self._draft.open_text:
            await self._say(whole)  # a model that gives its text in one piece
        if self._draft.open_text:
            self._draft.close_text(whole)
            await self._emit(AgentTextEnd())

    async def _take(
        self,
        call: ToolCall,
        calls: dict[str, _Call],
        resolved: ResolvedAgent,
        nursery: trio.Nursery,
    ) -> None:
        known = calls.get(call.call_id)
        if known is not None:
            if (known.call.name, known.call.arguments) == (call.name, call.arguments):
                return  # said twice, run once
            raise ModelBehaviorError(f"the model used call id {call.call_id!r} for two calls")
        entry = calls[call.call_id] = _Call(call)
        self._draft.items.append(
            call_item(name=call.name, arguments=call.arguments, call_id=call.call_id)
        )
        tool = resolved.functions.get(call.name)
        handoff = resolved.handoffs.get(call.name)
        if tool is None and handoff is not None:
            first = next((c.handoff for c in calls.values() if c.handoff), None)
            if first is None:
                entry.handoff = handoff
            else:
                entry.output = f"Not followed: already handing over to {first.agent.name}."
            return
        await self._emit(
            AgentToolCall(name=call.name, arguments=call.arguments, call_id=call.call_id)
        )
        if tool is None:
            entry.output = unknown_tool(call.name, (*resolved.functions, *resolved.handoffs))
            await self._answered(entry, "error", 0.0)
        else:
            entry.respond = tool.respond is not False
            nursery.start_soon(self._run_tool, tool, entry, resolved.agent.name)

    async def _run_tool(self, tool: Tool, entry: _Call, agent_name: str) -> None:
        call = entry.call
        context = self._context.for_agent(agent_name).for_call(
            tool_name=call.name, call_id=call.call_id, arguments=call.arguments
        )
        async with self._slots:
            outcome = await run_tool(tool, call.arguments, context=context, limiter=self._threads)
        entry.output = outcome.output
        await self._answered(entry, outcome.status, outcome.duration)

    async def _answered(self, entry: _Call, status: ToolStatus, duration: float) -> None:
        await self._emit(
            AgentToolResult(
                name=entry.call.name,
                output=entry.output,
                call_id=entry.call.call_id,
                status=status,
                duration=duration,
            )
        )

    async def _conclude(self, calls: list[_Call]) -> None:
        """Follow the handoff, if there is one, and put the outputs behind the calls."""
        taken = next((call for call in calls if call.handoff), None)
        if taken is not None and taken.handoff is not None:
            taken.output = await self._hand_over(taken.handoff)
        self._draft.items += [
            output_item(call_id=call.call.call_id, output=call.output) for call in calls
        ]

    async def _hand_over(self, handoff: Handoff) -> str:
        before, after = self._draft.agent, handoff.agent
        if handoff.on_handoff is not None:
            try:
                answer = handoff.on_handoff(self._context.for_agent(before.name))
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:
                return f"The handoff to {after.name} failed: {type(error).__name__}."
        self._draft.agent = after
        await self._emit(
            AgentHandoff(from_agent=before.name, to_agent=after.name, voice=after.voice)
        )
        return json.dumps({"assistant": after.name}, ensure_ascii=False)
