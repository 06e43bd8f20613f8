"""A run as its reader sees it, and what a run comes to as a whole."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import trio

from voxloop import telemetry
from voxloop.agents import open_nursery
from voxloop.audio import PCM24K, AudioChunk, concat
from voxloop.voice.events import (
    AudioEvent,
    Event,
    HandoffEvent,
    MetricsEvent,
    TextEvent,
    ToolEvent,
    TranscriptEvent,
)
from voxloop.voice.metrics import TurnMetrics
from voxloop.voice.output import Output, Terminal

Stages: TypeAlias = Callable[[Output], Awaitable[None]]
"""The work of a run."""

# Events that wait for a reader, 100 ms of sound each at most; then synthesis is held back.
_BUFFERED_EVENTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRecord:
    """One tool call of a run.

    Attributes:
        name: Name of the tool.
        arguments: JSON text as the model wrote it.
        output: Text that the model got; empty if the run ended before.
    """

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a run came to.

    Attributes:
        audio: All sound, PCM16 mono at 24,000 Hz.
        transcript: What was heard; turns joined by a blank.
        text: What was said; turns joined by a blank.
        metrics: Figures of the last turn; None if there was none.
        tool_calls: Tools in the order of their calls.
        handoffs: Names of the agents that took over, in order.
        agent: Name of the agent that has the conversation; None without an agent.
    """

    audio: AudioChunk
    transcript: str
    text: str
    metrics: TurnMetrics | None
    tool_calls: tuple[ToolRecord, ...]
    handoffs: tuple[str, ...]
    agent: str | None


class Result:
    """The events of a run under way; iterate it inside its block, once.

    A failure of the run is raised by the iteration after its terminal event. A reader that is slow
    holds the run back; a reader that leaves the block ends it.
    """

    def __init__(
        self, events: trio.MemoryReceiveChannel[Event], *, agent: str | None = None
    ) -> None:
        self._events = events
        self._agent = agent
        self._error: Exception | None = None
        self._stop = trio.CancelScope()

    def __aiter__(self) -> Result:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            VoxloopError: What ended the run, after its terminal event; an exception of the
                workflow's own comes as it is.

        **Cancellation:** nothing is lost; may be called again.
        """
        try:
            return await self._events.receive()
        except trio.EndOfChannel:
            error: Exception = StopAsyncIteration() if self._error is None else self._error
        raise error

    def cancel(self) -> None:
        """End the run: the open turn ends as cancelled, then comes the terminal ``cancelled``."""
        self._stop.cancel()

    async def collect(self) -> Reply:
        """Read the run to its end.

        Raises:
            VoxloopError: See `__anext__`.

        **Cancellation:** what was read is lost.
        """
        builder = _ReplyBuilder(self._agent)
        async for event in self:
            builder.add(event)
        return builder.reply()

    async def _run(
        self, stages: Stages, send: trio.MemorySendChannel[Event], *, workflow_name: str
    ) -> None:
        metadata = {"workflow_name": workflow_name}
        started = time.monotonic()
        status: Terminal = "cancelled"
        telemetry.emit("voice.pipeline.start", {"at": started}, metadata)
        output = Output(send.send)
        try:
            async with send:
                try:
                    with self._stop:
                        await stages(output)
                except Exception as error:
                    self._error = error
                if self._error is not None:
                    status = "failed"
                elif not self._stop.cancelled_caught:
                    status = "completed"
                await output.finish(status, self._error)
        finally:
            duration = (time.monotonic() - started) * 1000
            telemetry.emit(
                "voice.pipeline.stop", {"duration_ms": duration}, {**metadata, "status": status}
            )


@asynccontextmanager
async def open_result(
    stages: Stages, *, workflow_name: str, agent: str | None
) -> AsyncIterator[Result]:
    """Run `stages` for as long as the block is open.

    **Cancellation:** the stages are cancelled and have ended before the block is left.
    """
    send, receive = trio.open_memory_channel[Event](_BUFFERED_EVENTS)
    result = Result(receive, agent=agent)
    async with open_nursery() as nursery, receive:

        async def run() -> None:
            await result._run(stages, send, workflow_name=workflow_name)

        nursery.start_soon(run)
        yield result
        nursery.cancel_scope.cancel()


class _ReplyBuilder:
    """Gathers the events of a run."""

    def __init__(self, agent: str | None) -> None:
        self._agent = agent
        self._audio: list[AudioChunk] = []
        self._heard: list[str] = []
        self._said: dict[int, str] = {}
        self._metrics: TurnMetrics | None = None
        self._calls: dict[str, ToolEvent] = {}
        self._outputs: dict[str, str] = {}
        self._handoffs: list[str] = []

    def add(self, event: Event) -> None:
        match event:
            case AudioEvent(data=data):
                self._audio.append(data)
            case TranscriptEvent(text=text):
                self._heard.append(text)
            case TextEvent(text=text, turn_id=turn_id):
                self._said[turn_id] = self._said.get(turn_id, "") + text
            case ToolEvent(kind="call"):
                self._calls[event.call_id] = event
            case ToolEvent(kind="result"):
                self._outputs[event.call_id] = event.output
            case HandoffEvent(to_agent=to_agent):
                self._handoffs.append(to_agent)
                self._agent = to_agent
            case MetricsEvent(metrics=metrics):
                self._metrics = metrics
            case _:
                pass

    def reply(self) -> Reply:
        calls = tuple(
            ToolRecord(
                name=call.name,
                arguments=call.arguments,
                output=self._outputs.get(call_id, ""),
            )
            for call_id, call in self._calls.items()
        )
        return Reply(
            audio=concat(self._audio, format=PCM24K),
            transcript=" ".join(text for text in self._heard if text),
            text=" ".join(text.strip() for text in self._said.values()),
            metrics=self._metrics,
            tool_calls=calls,
            handoffs=tuple(self._handoffs),
            agent=self._agent,
        )
