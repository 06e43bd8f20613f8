"""A run as its reader sees it, and what a run comes to as a whole."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import trio

from voxloop._errors import ConfigError
from voxloop.agents import open_nursery
from voxloop.audio import PCM24K, AudioChunk, concat
from voxloop.voice.config import Config
from voxloop.voice.events import (
    AudioEvent,
    Event,
    HandoffEvent,
    MetricsEvent,
    TextEvent,
    ToolEvent,
    TranscriptEvent,
)
from voxloop.voice.floor import Floor
from voxloop.voice.mailbox import Mailbox
from voxloop.voice.metrics import TurnMetrics
from voxloop.voice.output import Output, Terminal
from voxloop.voice.probe import Probe
from voxloop.voice.speech import Run

Stages: TypeAlias = Callable[[Run], Awaitable[None]]
"""The work of a run."""


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
        audio: All sound, mono at 24,000 Hz.
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

    def __init__(self, mailbox: Mailbox, floor: Floor, *, agent: str | None = None) -> None:
        self._mailbox = mailbox
        self._floor = floor
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
            return await self._mailbox.receive()
        except trio.EndOfChannel:
            error: Exception = StopAsyncIteration() if self._error is None else self._error
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: else both wait for the collector

    def cancel(self) -> None:
        """End the run: the open turn ends as cancelled, then comes the terminal ``cancelled``."""
        self._stop.cancel()

    def interrupt(self) -> bool:
        """Break the answer under way off, as when the user presses a key; the run goes on.

        An `InterruptedEvent` says what was heard, and an agent remembers no more than that. False
        if there was nothing to break off.
        """
        return self._floor.interrupt()

    def report_playback(self, turn_id: int, played_ms: float) -> None:
        """Say how much of a turn's sound the device has played by now, in all.

        From the first report of a turn on, these count instead of the clock. A position of a turn
        that is over means nothing.

        Raises:
            ConfigError: `played_ms` is no number.
        """
        if not isinstance(played_ms, (int, float)) or math.isnan(played_ms):
            raise ConfigError(f"played_ms is {played_ms!r}; give milliseconds")
        self._floor.report(turn_id, played_ms)

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

    async def _run(self, stages: Stages, run: Run) -> None:
        started = time.monotonic()
        status: Terminal = "cancelled"
        run.probe.emit("voice.pipeline.start", {"at": started})
        try:
            try:
                with self._stop:
                    await stages(run)
            except Exception as error:
                self._error = error
                run.probe.fail("voice.pipeline.exception", error, time.monotonic() - started)
            if self._error is not None:
                status = "failed"
            elif not self._stop.cancelled_caught:
                status = "completed"
            await run.output.finish(status, self._error)
        finally:
            self._mailbox.close()
            duration = (time.monotonic() - started) * 1000
            run.probe.emit("voice.pipeline.stop", {"duration_ms": duration}, status=status)


@asynccontextmanager
async def open_result(
    stages: Stages, *, config: Config, yields: bool, agent: str | None
) -> AsyncIterator[Result]:
    """Run `stages` for as long as the block is open.

    Args:
        stages: The work.
        config: Settings of the pipeline.
        yields: Whether the user's speech breaks answers off.
        agent: Name of the agent that has the conversation now.

    **Cancellation:** the stages are cancelled and have ended before the block is left.
    """
    mailbox, probe = Mailbox(), Probe(config)
    floor = Floor(mailbox, probe, yields=yields)
    run = Run(output=Output(mailbox, probe), floor=floor, probe=probe, config=config)
    result = Result(mailbox, floor, agent=agent)
    try:
        async with open_nursery() as nursery:
            nursery.start_soon(result._run, stages, run)
            yield result
            nursery.cancel_scope.cancel()
    finally:
        result._error = None  # its traceback holds the run, sockets included


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
            case TranscriptEvent(text=text, final=True):
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
