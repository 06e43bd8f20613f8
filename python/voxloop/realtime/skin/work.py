"""What a session has others do: tools, handoffs, the questions about them, and hooks."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeAlias

import trio

from voxloop import telemetry
from voxloop._bridge import cancellation_point
from voxloop._errors import ConfigError, ModelBehaviorError, ToolError, VoxloopError
from voxloop.agents import Handoff, ResolvedAgent, call_hooks, resolve
from voxloop.realtime.config import NO_TRANSCRIPTS, RunConfig, SessionModelSettings
from voxloop.realtime.events import ErrorEvent, InterruptionCause
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.machine.filtering import Rewrite, rewrite, shown
from voxloop.realtime.machine.state import Call, State
from voxloop.realtime.skin.observe import Observer
from voxloop.realtime.skin.watch import Watch
from voxloop.tools import (
    RunContext,
    Tool,
    ToolOutcome,
    approval_needed,
    format_failure,
    is_enabled,
    unknown_tool,
)
from voxloop.tools.run import ToolRun

KEPT_HOOKS = 1024
"""Calls of hooks that may wait for a slow one; the oldest are left out, and the log says so."""

Effect: TypeAlias = (
    effects.RunTool
    | effects.RunHandoff
    | effects.Examine
    | effects.Explain
    | effects.CancelTool
    | effects.Hook
)

_log = logging.getLogger("voxloop.realtime")


class Owner(Protocol):
    """The session, as its workers see it."""

    observer: Observer

    @property
    def state(self) -> State:
        """What the reducer has made of everything so far."""
        ...

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input."""
        ...

    def cut_media(self, cause: InterruptionCause = "application") -> None:
        """Silence what is attached, if something is."""
        ...

    def tell(self, event: ErrorEvent) -> None:
        """Tell the application of an error."""
        ...


class Workshop:
    """Carries out effects that take time; each is a task of the session's nursery.

    What a task comes to goes back as one input. One that is cancelled gives nothing back.
    """

    begun = False
    """A frame led to a tool that has had no turn yet."""

    def __init__(
        self, owner: Owner, nursery: trio.Nursery, context: RunContext[Any], config: RunConfig
    ) -> None:
        self.hooks = HookLine(nursery, config, context)
        self.watch = Watch(owner, nursery, context, config)
        self._owner = owner
        self._nursery = nursery
        self._context = context
        self._config = config
        self._scopes: dict[str, trio.CancelScope] = {}
        self._ready: _Ready | None = None

    # Two limits: an abandoned thread keeps its place among the threads, and must not also keep a
    # coroutine tool from starting.
    @cached_property
    def _slots(self) -> trio.Semaphore:
        return trio.Semaphore(self._config.tool_concurrency)

    @cached_property
    def _threads(self) -> trio.CapacityLimiter:
        return trio.CapacityLimiter(self._config.tool_concurrency)

    def do(self, effect: Effect, *, of_frame: bool) -> None:
        """Begin one of them. ``of_frame``: it was a frame that led to it."""
        match effect:
            case effects.RunTool(call=call, tool=tool):
                self.begun = self.begun or of_frame
                if of_frame and self._ready is not None:
                    self._ready.take(call, tool)
                    self._ready = None
                else:  # within what its caller is in: a tool sees the context variables
                    ready = _Ready()
                    ready.take(call, tool)
                    self._nursery.start_soon(self._run_tool, ready)
            case effects.RunHandoff(call=call, handoff=handoff):
                self._nursery.start_soon(self._run_handoff, call, handoff)
            case effects.Examine(call=call, tool=tool):
                self._nursery.start_soon(self._examine, call, tool)
            case effects.Explain():
                self._nursery.start_soon(self._explain, effect)
            case effects.CancelTool(call_id=call_id):
                scope = self._scopes.get(call_id)
                if scope is not None:
                    scope.cancel()
            case effects.Hook():
                self.hooks.put(effect)

    def make_ready(self) -> None:
        """Have a task wait for the next call: to begin one then would take longer."""
        self.begun = False
        if self._ready is None:
            self._ready = _Ready()
            self._nursery.start_soon(self._run_tool, self._ready)

    def _of(self, call: Call) -> RunContext[Any]:
        return call_context(self._context, call)

    async def _run_tool(self, ready: _Ready) -> None:
        job: _Job | None = None
        try:
            # Open before the call comes, and closed once its output is told: either would take as
            # long as a short tool. The outer one is for the user who interrupts.
            with trio.CancelScope() as stop:
                with trio.CancelScope() as limit:
                    call, tool = await ready.called()
                    if tool.on_interrupt == "cancel":
                        self._scopes[call.call_id] = stop
                    await self._slot()
                    span = self._owner.observer.call_span(call.call_id, call.response_id)
                    job = _Job(call, tool, self._tool_run(call, tool), span)
                    with telemetry.within(span):
                        await job.run.work(limit)
                        if job.run.outcome is not None:
                            self._ran(job, job.run.outcome)
                            return
                if job is not None:  # as it is whenever there is more to do
                    with telemetry.within(job.span):
                        self._ran(job, await job.run.finish())
        finally:
            if job is not None:
                self._slots.release()
            if ready.given is not None:
                self._scopes.pop(ready.given[0].call_id, None)

    def _tool_run(self, call: Call, tool: Tool) -> ToolRun:
        context = self._of(call)
        return ToolRun(
            tool,
            call.arguments,
            context,
            limiter=self._threads,
            formatter=self._config.failure,
            on_start=self._on_start(call, tool, context),
        )

    def _ran(self, job: _Job, outcome: ToolOutcome) -> None:
        self._owner.feed(
            inputs.ToolFinished(
                job.call.call_id,
                outcome.output,
                outcome.status,
                outcome.duration,
                time.monotonic(),
                fatal=_fatal(outcome.error, job.tool) if outcome.fatal else None,
            )
        )

    async def _slot(self) -> None:
        # A free one is taken without a turn for others, which the model would wait for.
        await cancellation_point()
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await self._slots.acquire()

    def _on_start(
        self, call: Call, tool: Tool, context: RunContext[Any]
    ) -> Callable[[], Awaitable[object]] | None:
        agent = call.agent.agent
        hooks = (self._config.hooks, agent.hooks)
        if hooks[0] is None and hooks[1] is None:
            return None
        return lambda: call_hooks("on_tool_start", hooks, context, agent, tool)

    async def _examine(self, call: Call, tool: Tool) -> None:
        context = self._of(call)
        asks = True
        try:
            enabled = await is_enabled(tool.is_enabled, context, call.agent.agent)
        except Exception as error:
            _log.warning("is_enabled of tool %r failed: %s", tool.name, type(error).__name__)
            enabled = False
        if enabled:
            asks = await approval_needed(tool, call.arguments, context=context)
        self._owner.feed(inputs.Examined(call.call_id, enabled, asks, time.monotonic()))

    async def _explain(self, effect: effects.Explain) -> None:
        own = None if effect.tool is None else effect.tool.failure
        text = await format_failure(effect.failure, own, self._config.failure)
        self._owner.feed(
            inputs.ToolFinished(
                effect.call.call_id,
                text,
                effect.status,
                None,
                time.monotonic(),
                respond=effect.respond,
            )
        )

    async def _run_handoff(self, call: Call, handoff: Handoff) -> None:
        started = time.monotonic()
        target, context = handoff.agent, self._of(call)
        text, respond = f"The handoff to {target.name} failed.", None
        try:
            if not await is_enabled(handoff.is_enabled, context, call.agent.agent):
                text, respond = unknown_tool(call.name, call.agent.functions), False
                raise ModelBehaviorError(f"the handoff {call.name!r} is switched off")
            message = await handoff.accept(context, call.arguments)
            agent = await resolve(target, self._context)
            check_agent(agent, self._config.model_settings)
            chosen = await self._filtered(handoff)
        except Exception as error:
            _log.debug("handoff %r failed", call.name, exc_info=error)
            if isinstance(error, ModelBehaviorError):  # its text is meant for the model
                text = text if respond is False else error.message
            now = time.monotonic()
            self._owner.feed(
                inputs.ToolFinished(call.call_id, text, "error", now - started, now, respond)
            )
            self._owner.tell(ErrorEvent(error=_as_error(error, target.name), at=now))
            return
        now = time.monotonic()
        self._owner.feed(inputs.AgentReady(agent, call.call_id, message, now, chosen))

    async def _filtered(self, handoff: Handoff) -> Rewrite | None:
        if handoff.input_filter is None:
            return None
        before = shown(self._owner.state.history.current())
        return rewrite(before, await handoff.filtered(deepcopy(before)))


class _Ready:
    """A call for a task to run; the task may be there before it."""

    def __init__(self) -> None:
        self.given: tuple[Call, Tool] | None = None
        self._called = trio.Event()

    def take(self, call: Call, tool: Tool) -> None:
        self.given = (call, tool)
        self._called.set()

    async def called(self) -> tuple[Call, Tool]:
        while self.given is None:
            await self._called.wait()
        return self.given


class _Job(NamedTuple):
    """A call that is being run."""

    call: Call
    tool: Tool
    run: ToolRun
    span: telemetry.Later


class HookLine:
    """Calls hooks one after the other, in the order of what happened.

    Its task is there while there is something to call.
    """

    def __init__(self, nursery: trio.Nursery, config: RunConfig, context: RunContext[Any]) -> None:
        self._nursery = nursery
        self._config = config
        self._context = context
        self._waiting: deque[effects.Hook] | None = None
        self.dropped = 0

    def put(self, effect: effects.Hook) -> None:
        """Have a hook called, if there is one."""
        if self._config.hooks is None and effect.agent.hooks is None:
            return
        if self._waiting is None:
            self._waiting = deque()
            self._nursery.start_soon(self._run, self._waiting)
        elif len(self._waiting) >= KEPT_HOOKS:
            self._waiting.popleft()
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("hooks are too slow for the session: the oldest calls are left out")
        self._waiting.append(effect)

    async def _run(self, waiting: deque[effects.Hook]) -> None:
        while waiting:
            await self._call(waiting.popleft())
        self._waiting = None

    async def _call(self, effect: effects.Hook) -> None:
        agent = effect.agent
        hooks = (self._config.hooks, agent.hooks)
        context = self._context.for_agent(agent.name)
        arguments: tuple[object, ...] = (agent, *effect.arguments)
        if effect.name == "on_handoff":  # told from the one before to the one after
            arguments = (*effect.arguments, agent)
        elif effect.call is not None:
            context = call_context(self._context, effect.call)
        await call_hooks(effect.name, hooks, context, *arguments)


def call_context(context: RunContext[Any], call: Call) -> RunContext[Any]:
    """The run, seen from inside one call."""
    return RunContext(context.value, call.agent.agent.name, call.name, call.call_id, call.arguments)


def check_agent(resolved: ResolvedAgent, settings: SessionModelSettings) -> None:
    """Refuse what a realtime session cannot do.

    Raises:
        ConfigError: It has namespaces of tools. Or there are input guardrails, and no transcripts
            that they could look at.
    """
    if resolved.agent.input_guardrails and settings.transcription is None:
        raise ConfigError(NO_TRANSCRIPTS)
    for schema in resolved.schemas:
        if schema.get("type") in ("namespace", "tool_search"):
            raise ConfigError(
                f"agent {resolved.agent.name!r} has a tool of type {schema['type']!r}; a realtime "
                "session has neither namespaces nor deferred tools: give the functions themselves"
            )


def _fatal(error: Exception | None, tool: Tool) -> VoxloopError:
    if isinstance(error, VoxloopError):
        return error
    wrapped = ToolError(f"tool {tool.name!r} failed: {type(error).__name__}", tool=tool.name)
    wrapped.__cause__ = error
    return wrapped


def _as_error(error: Exception, agent: str) -> VoxloopError:
    if isinstance(error, VoxloopError):
        return error
    wrapped = VoxloopError(f"the handoff to {agent!r} failed", code="handoff_failed")
    wrapped.__cause__ = error
    return wrapped
