"""An agent of the openai-agents package as a workflow of ours.

That package lives on asyncio: its turns run in a worker thread with an event loop, which the
workflow keeps as long as it is open, and what they say comes over a bounded channel.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import trio

from voxloop._errors import (
    AgentError,
    ConcurrencyError,
    ConfigError,
    GuardrailTripped,
    MaxTurnsExceeded,
    MissingExtra,
    ModelBehaviorError,
    VoxloopError,
)
from voxloop._scope import open_nursery
from voxloop.agents.asyncio_thread import AsyncioThread
from voxloop.agents.events import (
    AgentDone,
    AgentEvent,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
)
from voxloop.agents.items import assistant_item, user_item
from voxloop.tools import JsonObject

_BUFFERED_EVENTS = 32
_FULL_PAUSE = 0.005
"""Seconds until a loop whose channel is full tries again; its own tasks go on meanwhile."""


class OpenAIAgentsWorkflow:
    """An agent of openai-agents behind a voice pipeline, with its own tools, handoffs and guards.

    The conversation and the agent that has the word last over turns. A turn that fails leaves no
    trace; of one that is interrupted, the user's words and what was read (or heard, see
    `ForeignTurn.interrupt`) are kept. One run at a time may use the object.

    It is opened around the pipeline: its loop, and with it the connections of the package's
    clients, lives from the beginning of its block to the end.

    Args:
        agent: An ``agents.Agent``.
        runner: What is asked for ``run_streamed(agent, input, ...)``; default ``agents.Runner``.
        context: Passed on as its ``context``.
        greeting: Said first in a streamed run.
        max_turns: Responses that one turn may take.
        run_config: Passed on, an ``agents.RunConfig``. Its package sends traces to OpenAI unless
            ``tracing_disabled`` is set there.
        on_close: Awaited in the loop before it ends, such as the ``close`` of the client of the
            agents' models.
        close_timeout: Seconds that a cancelled turn, and in the end the thread, may take; the
            thread is left alone after that.

    Raises:
        MissingExtra: The package is not installed.
        ConfigError: `runner` has no ``run_streamed``, or a limit is below what makes sense.

    Example::

        clerk = agents.Agent(name="Clerk", instructions="Help.")
        async with OpenAIAgentsWorkflow(clerk) as workflow, voice.Pipeline(workflow) as pipeline:
            ...
    """

    def __init__(
        self,
        agent: Any,
        *,
        runner: Any = None,
        context: object = None,
        greeting: str | None = None,
        max_turns: int = 10,
        run_config: Any = None,
        on_close: Callable[[], Awaitable[object]] | None = None,
        close_timeout: float = 5.0,
    ) -> None:
        if runner is None:
            try:
                runner = importlib.import_module("agents").Runner
            except (ImportError, AttributeError) as error:
                raise MissingExtra(
                    "OpenAIAgentsWorkflow needs the package openai-agents; "
                    "install voxloop[openai-agents]",
                    extra="openai-agents",
                ) from error
        if not callable(getattr(runner, "run_streamed", None)):
            raise ConfigError("the runner of OpenAIAgentsWorkflow has no run_streamed()")
        if max_turns < 1 or not close_timeout > 0:
            raise ConfigError("max_turns must be at least 1 and close_timeout above 0 seconds")
        self.greeting = greeting
        self._agent = agent
        self._runner = runner
        self._settings = {"context": context, "max_turns": max_turns, "run_config": run_config}
        self._thread = AsyncioThread(close_timeout=close_timeout, on_close=on_close)
        self._history: tuple[JsonObject, ...] = ()
        self._busy = False

    async def __aenter__(self) -> Self:
        """Start the thread; a workflow is opened once.

        Raises:
            ConcurrencyError: It was opened before.

        **Cancellation:** the thread is ended.
        """
        await self._thread.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._thread.__aexit__(*details)

    @property
    def foreign_agent(self) -> Any:
        """The ``agents.Agent`` that has the word."""
        return self._agent

    @property
    def history(self) -> tuple[JsonObject, ...]:
        """What was said and done so far, as input items of the Responses API."""
        return self._history

    @asynccontextmanager
    async def run(self, text: str) -> AsyncIterator[ForeignTurn]:
        """Open the agent's answer to `text`.

        Raises:
            ConcurrencyError: Another turn is under way.
            UseAfterClose: Raised by the iteration: the workflow is not open.
            AgentError: Raised by the iteration: `GuardrailTripped`, `MaxTurnsExceeded`,
                `ModelBehaviorError`, or another failure of the package, which is its cause.

        **Cancellation:** the turn's asyncio task is cancelled and waited for, at most
        ``close_timeout`` seconds.
        """
        if self._busy:
            raise ConcurrencyError("a turn of this workflow is under way; use a second one")
        self._busy = True
        send, receive = trio.open_memory_channel[AgentEvent](_BUFFERED_EVENTS)
        given = [*self._history, user_item(text)]
        job = _Job(
            lambda: self._runner.run_streamed(self._agent, list(given), **self._settings), send
        )
        turn = ForeignTurn(receive)
        clean = False
        try:
            async with open_nursery() as nursery, receive:
                nursery.start_soon(self._produce, job, send, turn)
                yield turn
                clean = True
                nursery.cancel_scope.cancel()
        finally:
            self._busy = False
            said = turn.kept(clean=clean)
            if turn.finished and said is None and job.items is not None:
                self._history, self._agent = job.items, job.agent
            elif said is not None:
                self._history = (*given, assistant_item(said)) if said else tuple(given)

    async def _produce(
        self, job: _Job, send: trio.MemorySendChannel[AgentEvent], turn: ForeignTurn
    ) -> None:
        async with send:
            try:
                await self._thread.run(job.main)
            except (asyncio.CancelledError, trio.BrokenResourceError):
                return  # the reader has left
            except Exception as error:
                turn.error = _translated(error)


class ForeignTurn:
    """The events of a turn under way; iterate it inside its block.

    A failure is raised by the iteration.
    """

    def __init__(self, events: trio.MemoryReceiveChannel[AgentEvent]) -> None:
        self._events = events
        self._read: list[str] = []
        self._heard: str | None = None
        self.error: Exception | None = None
        self.finished = False

    def __aiter__(self) -> ForeignTurn:
        return self

    async def __anext__(self) -> AgentEvent:
        """The next event.

        **Cancellation:** nothing is lost; may be called again.
        """
        try:
            event = await self._events.receive()
        except trio.EndOfChannel:
            error: Exception = StopAsyncIteration() if self.error is None else self.error
        else:
            if isinstance(event, AgentText):
                self._read.append(event.delta)
            elif isinstance(event, AgentDone):
                self.finished = True
            return event
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: else both wait for the collector

    def interrupt(self, *, heard: str | None = None) -> None:
        """Say that the turn is being broken off, and how much of its text the user heard.

        Args:
            heard: The part of the text that was heard; None takes all that was read.
        """
        self._heard = "".join(self._read) if heard is None else heard

    def kept(self, *, clean: bool) -> str | None:
        """What an interrupted turn leaves behind; None if it was not interrupted, or failed."""
        if self._heard is not None:
            return self._heard
        if clean and not self.finished and self.error is None:
            return "".join(self._read)
        return None


class _Job:
    """One turn in the loop."""

    def __init__(self, begin: Callable[[], Any], send: trio.MemorySendChannel[AgentEvent]) -> None:
        self._begin = begin
        self._send = send
        self.items: tuple[JsonObject, ...] | None = None
        self.agent: Any = None

    async def main(self) -> None:
        """Run the turn."""
        result = self._begin()
        if inspect.isawaitable(result):
            result = await result
        translator = _Translator()
        try:
            async for event in result.stream_events():
                for found in translator.events(event):
                    await self._give(found)
        except asyncio.CancelledError:
            result.cancel()
            raise
        self.items = tuple(result.to_input_list())
        self.agent = result.last_agent
        name = getattr(self.agent, "name", "")
        for found in translator.end():
            await self._give(found)
        await self._give(AgentDone(text=translator.text(), agent=name))

    async def _give(self, event: AgentEvent) -> None:
        while True:
            try:
                trio.from_thread.run_sync(self._send.send_nowait, event)
            except trio.WouldBlock:
                await asyncio.sleep(_FULL_PAUSE)
            else:
                return


class _Translator:
    """From the events of the package to ours."""

    def __init__(self) -> None:
        self._open = ""
        self._said: list[str] = []
        self._agent: str | None = None
        self._names: dict[str, str] = {}

    def text(self) -> str:
        return " ".join(part.strip() for part in (*self._said, self._open) if part.strip())

    def end(self) -> list[AgentEvent]:
        if not self._open:
            return []
        self._said.append(self._open)
        self._open = ""
        return [AgentTextEnd()]

    def events(self, event: Any) -> list[AgentEvent]:
        kind = getattr(event, "type", "")
        if kind == "raw_response_event":
            return self._raw(event.data)
        if kind == "run_item_stream_event":
            return self._item(event.name, event.item)
        if kind == "agent_updated_stream_event":
            before, after = self._agent, str(event.new_agent.name)
            self._agent = after
            if before is not None and before != after:
                return [*self.end(), AgentHandoff(from_agent=before, to_agent=after)]
        return []

    def _raw(self, data: Any) -> list[AgentEvent]:
        kind = getattr(data, "type", "")
        if kind in ("response.output_text.delta", "response.refusal.delta") and data.delta:
            self._open += data.delta
            return [AgentText(data.delta)]
        if kind in ("response.output_text.done", "response.refusal.done"):
            return self.end()
        return []

    def _item(self, name: str, item: Any) -> list[AgentEvent]:
        raw = getattr(item, "raw_item", None)
        call_id = str(_field(raw, "call_id") or _field(raw, "id") or "")
        if name == "tool_called":
            tool = str(_field(raw, "name") or _field(raw, "type") or "")
            self._names[call_id] = tool
            arguments = _field(raw, "arguments")
            call = AgentToolCall(
                name=tool,
                arguments=arguments if isinstance(arguments, str) else "",
                call_id=call_id,
            )
            return [*self.end(), call]
        if name == "tool_output":
            result = AgentToolResult(
                name=self._names.pop(call_id, ""),
                output=str(item.output),
                call_id=call_id,
                status="ok",  # the package tells failures as outputs
                duration=0.0,
            )
            return [result]
        return []


def _field(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)


def _translated(error: Exception) -> Exception:
    if isinstance(error, VoxloopError):
        return error
    name = type(error).__name__
    made: AgentError
    if name in ("InputGuardrailTripwireTriggered", "OutputGuardrailTripwireTriggered"):
        guardrail = getattr(getattr(error, "guardrail_result", None), "guardrail", None)
        stage = "input" if name.startswith("Input") else "output"
        label = str(getattr(guardrail, "name", None) or stage)
        made = GuardrailTripped(f"guardrail {label!r} ended the run", guardrail=label, stage=stage)
    elif name == "MaxTurnsExceeded":
        made = MaxTurnsExceeded("the agent still called tools after max_turns responses")
    elif name == "ModelBehaviorError":
        made = ModelBehaviorError("the model answered in a way that openai-agents does not allow")
    else:
        made = AgentError(f"openai-agents failed: {name}")
    made.__cause__ = error
    return made
