"""The agent loop: ask the model, run the tools it calls, follow a handoff, ask again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar

import trio

from voxloop._errors import MaxTurnsExceeded, ModelBehaviorError
from voxloop._scope import open_nursery
from voxloop.agents.agent import Agent
from voxloop.agents.calls import Call, Caller
from voxloop.agents.checks import wire_choice
from voxloop.agents.desk import Desk
from voxloop.agents.draft import Draft
from voxloop.agents.events import (
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    TurnStatus,
)
from voxloop.agents.gate import OutputGate, OutputRejected
from voxloop.agents.guardrail import InputGuardrail
from voxloop.agents.hooks import call_hooks
from voxloop.agents.items import output_item
from voxloop.agents.options import RunOptions
from voxloop.agents.resolve import ResolvedAgent, resolve
from voxloop.providers import (
    LanguageModel,
    ModelDone,
    ModelRequest,
    TextDelta,
    TextDone,
    ToolCall,
)
from voxloop.tools import JsonObject, RunContext, Verdict, is_enabled, run_guardrails

current_model: ContextVar[LanguageModel | None] = ContextVar("voxloop_model", default=None)
"""The model of the loop that runs here; an agent that is used as a tool takes it."""


class Loop:
    """Rounds of one turn; every event goes out through `emit`, every item into `draft`."""

    def __init__(
        self,
        draft: Draft,
        *,
        text: str,
        context: RunContext[object],
        model: LanguageModel,
        emit: Callable[[AgentEvent], Awaitable[None]],
        options: RunOptions,
        desk: Desk,
    ) -> None:
        self._draft = draft
        self._text = text
        self._context = context
        self._model = model
        self._emit = emit
        self._options = options
        self._admitted = trio.Event()
        self._caller = Caller(draft, context=context, options=options, desk=desk, emit=emit)
        self._gate: OutputGate | None = None
        self._handoffs = 0
        self._called = False
        self._resolved: ResolvedAgent | None = None

    async def run(self) -> None:
        """Go round until the model calls nothing more, or a guardrail stops it."""
        current_model.set(self._model)
        agent = self._draft.agent
        guards = (*agent.input_guardrails, *self._options.input_guardrails)
        await self._hook("on_start", agent)
        try:
            verdict = await self._look((g for g in guards if g.blocking), agent)
            if verdict.stopped is None:
                verdict = await self._guarded([g for g in guards if not g.blocking], agent)
        except OutputRejected as rejected:
            verdict = rejected.verdict
        if verdict.stopped is not None:
            await self._refuse(verdict)

    async def _look(self, guards: Iterable[InputGuardrail], agent: Agent) -> Verdict:
        return await run_guardrails(guards, self._context.for_agent(agent.name), agent, self._text)

    async def _guarded(self, guards: list[InputGuardrail], agent: Agent) -> Verdict:
        """The rounds beside their guardrails: nothing gets out until those have agreed."""
        verdict = Verdict()
        async with open_nursery() as nursery:

            async def look() -> None:
                nonlocal verdict
                verdict = await self._look(guards, agent)
                if verdict.stopped is None:
                    self._admitted.set()
                else:
                    nursery.cancel_scope.cancel()

            if guards:
                nursery.start_soon(look)
            else:
                self._admitted.set()
            await self._rounds()
        return verdict

    async def _rounds(self) -> None:
        for _ in range(self._options.max_turns):
            agent = self._draft.agent
            calls, status = await self._round()
            said = [c for c in calls if c.succeeded and c.call.name in agent.final_tools]
            for call in said:
                await self._say(call.output)
                await self._end_text(None)
            if said or not any(call.respond for call in calls):
                await self._finish(status)
                return
        raise MaxTurnsExceeded(
            f"agent {self._draft.agent.name!r} still called tools after "
            f"{self._options.max_turns} responses; raise max_turns or make its instructions clearer"
        )

    async def _round(self) -> tuple[list[Call], TurnStatus]:
        resolved = await resolve(self._draft.agent, self._context, before=self._resolved)
        self._resolved = resolved
        agent = resolved.agent
        request = self._request(resolved)
        await self._hook("on_llm_start", agent, request.instructions, request.items)
        calls: dict[str, Call] = {}
        done: ModelDone | None = None
        async with open_nursery() as nursery:
            async with self._model.respond(request) as events:
                async for event in events:
                    await self._admitted.wait()
                    match event:
                        case TextDelta(text=text):
                            await self._say(text)
                        case TextDone(text=text):
                            await self._end_text(text)
                        case ToolCall():
                            await self._end_text(None)
                            await self._caller.take(event, calls, resolved, nursery)
                        case ModelDone():
                            done = event
            await self._admitted.wait()
            await self._end_text(None)
        if done is None:
            raise ModelBehaviorError("the model's answer ended without ModelDone")
        self._draft.count(done.usage)
        await self._hook("on_llm_end", agent, done.status)
        self._called = self._called or bool(calls)
        await self._conclude(list(calls.values()))
        return list(calls.values()), done.status

    def _request(self, resolved: ResolvedAgent) -> ModelRequest:
        agent = resolved.agent
        free = self._called and agent.reset_tool_choice
        return ModelRequest(
            model=agent.model,
            instructions=resolved.instructions,
            items=self._draft.input(),
            tools=resolved.schemas,
            tool_choice=None if free else wire_choice(agent.tool_choice),
            parallel_tool_calls=agent.parallel_tool_calls,
            prompt=resolved.prompt,
            include=resolved.include,
        )

    async def _say(self, text: str) -> None:
        if self._gate is None:
            agent = self._draft.agent
            guards = (*agent.output_guardrails, *self._options.output_guardrails)

            async def ask(whole: str) -> Verdict:
                context = self._context.for_agent(agent.name)
                return await run_guardrails(guards, context, agent, whole)

            self._gate = OutputGate(guards, ask=ask, release=self._release)
        await self._gate.push(text)

    async def _release(self, text: str) -> None:
        if text:
            self._draft.open_text += text
            await self._emit(AgentText(text))

    async def _end_text(self, whole: str | None) -> None:
        if whole and (self._gate is None or not self._gate.received):
            await self._say(whole)  # a model that gives its text in one piece
        if self._gate is not None:
            await self._gate.end()
            self._gate = None
        if self._draft.open_text:
            self._draft.close_text()
            await self._emit(AgentTextEnd())

    async def _conclude(self, calls: list[Call]) -> None:
        """Put the outputs behind the calls, and follow the handoff if there is one."""
        taken = next((call for call in calls if call.handoff), None)
        if taken is None or not await self._hand_over(taken, calls):
            self._draft.items += _outputs(calls)

    async def _hand_over(self, taken: Call, calls: list[Call]) -> bool:
        handoff = taken.handoff
        if handoff is None:
            return False
        before, after = self._draft.agent, handoff.agent
        call = taken.call
        context = self._context.for_agent(before.name)
        of_call = context.for_call(
            tool_name=call.name, call_id=call.call_id, arguments=call.arguments
        )
        if self._handoffs >= self._options.max_handoffs:
            taken.output = "Not followed: too many handoffs in one turn. Answer yourself."
            return False
        try:
            if not await is_enabled(handoff.is_enabled, of_call, before):
                taken.output = f"The handoff to {after.name} is not possible any more."
                return False
            taken.output = await handoff.accept(of_call, call.arguments)
            await self._draft.hand_over(handoff, _outputs(calls))
        except ModelBehaviorError as error:
            taken.output = f"{error.message}. Call it again."
            return False
        except Exception as error:
            taken.output = f"The handoff to {after.name} failed: {type(error).__name__}."
            return False
        self._handoffs += 1
        self._called = False
        self._resolved = None
        await self._emit(
            AgentHandoff(from_agent=before.name, to_agent=after.name, voice=after.voice)
        )
        hooks = (self._options.hooks, after.hooks)
        await call_hooks("on_handoff", hooks, context, before, after)
        await self._hook("on_start", after)
        return True

    async def _refuse(self, verdict: Verdict) -> None:
        """Say a guardrail's message in the place of the answer.

        Raises:
            GuardrailTripped: The guardrail wants an error.
        """
        error = verdict.error()
        if error is not None:
            raise error
        check = verdict.stopped
        if check is None:
            return
        if self._draft.open_text:  # the part that had passed, or was out already
            self._draft.close_text()
            await self._emit(AgentTextEnd())
        await self._release(check.result.message)
        if self._draft.open_text:
            self._draft.close_text()
            await self._emit(AgentTextEnd())
        await self._finish("rejected", guardrail=check.guardrail.name)

    async def _finish(self, status: TurnStatus, *, guardrail: str = "") -> None:
        text, agent = self._draft.text(), self._draft.agent
        await self._hook("on_end", agent, text)
        await self._emit(AgentDone(text=text, agent=agent.name, status=status, guardrail=guardrail))

    async def _hook(self, name: str, agent: Agent, *arguments: object) -> None:
        hooks = (self._options.hooks, agent.hooks)
        await call_hooks(name, hooks, self._context.for_agent(agent.name), agent, *arguments)


def _outputs(calls: list[Call]) -> list[JsonObject]:
    return [output_item(call_id=call.call.call_id, output=call.content) for call in calls]
