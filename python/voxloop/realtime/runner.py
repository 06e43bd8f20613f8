"""The skin around the reducer: it reads, writes, keeps time, runs tools, and nothing else."""

from __future__ import annotations

import inspect
import json
import logging
import time
from dataclasses import dataclass
from typing import Any, Literal

import trio

from voxloop._errors import (
    ConfigError,
    ConnectionClosed,
    NetworkError,
    ProtocolError,
    UseAfterClose,
    VoxloopError,
)
from voxloop.agents import Handoff, resolve
from voxloop.net import AudioDelta, Frame, MediaCut, MediaLink
from voxloop.providers import MediaTransport, RealtimeTransport
from voxloop.realtime import effects, inputs, reducer
from voxloop.realtime.events import AudioEvent, ErrorEvent, Event
from voxloop.realtime.observe import Observer
from voxloop.realtime.outbox import Outbox
from voxloop.realtime.state import Call, State
from voxloop.realtime.subscribers import Hub
from voxloop.tools import RunContext, Tool, run_tool
from voxloop.wire import realtime as rt

NORMAL_CLOSURE = 1000
DRAIN_SECONDS = 1.0
"""How long the reader may go on after nothing can be sent any more."""

_log = logging.getLogger("voxloop.realtime")


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One frame as it went over the wire.

    Attributes:
        direction: ``"in"`` from the server, ``"out"`` to it.
        data: The JSON text.
        at: ``time.monotonic()`` seconds of its arrival, or of its being queued.
    """

    direction: Literal["in", "out"]
    data: str | bytes
    at: float


class Runner:
    """One connection: feeds the reducer and carries out its effects.

    All of it happens on one trio thread, and `feed` awaits nothing, so that what one input leads to
    is never interleaved with another's.
    """

    def __init__(
        self,
        state: State,
        transport: RealtimeTransport,
        nursery: trio.Nursery,
        context: RunContext[Any],
    ) -> None:
        self.state = state
        self.events: Hub[Event] = Hub(_audio_bytes)
        self.wire: Hub[WireEvent] = Hub(_wire_bytes)
        self.outbox = Outbox()
        self.observer = Observer(time.monotonic())
        self.context = context
        self.media: MediaLink | None = None
        """Source and sink that are attached now."""
        self._transport = transport
        self._nursery = nursery
        self._limiter = trio.CapacityLimiter(state.config.tool_concurrency)
        self._timer = _Timer()
        self._error: VoxloopError | None = None

    def start(self) -> None:
        """Tell the server everything, and begin to read, write and keep time."""
        self.feed(inputs.Start(time.monotonic()))
        self._nursery.start_soon(self._read)
        self._nursery.start_soon(self._write)
        self._nursery.start_soon(self._timer.run, self)

    async def aclose(self) -> None:
        """End the session: nothing more is sent, the connection is closed, all tasks are cancelled.

        **Cancellation:** it takes at most ``close_timeout`` seconds in any case.
        """
        self.feed(inputs.Left(time.monotonic()))
        with trio.move_on_after(self.state.config.close_timeout) as scope:
            scope.shield = True
            try:
                await self._transport.aclose()
            except (VoxloopError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                _log.debug("the connection was gone before it was closed", exc_info=True)
        self._nursery.cancel_scope.cancel()

    async def room(self) -> None:
        """Wait until the application may send more.

        Raises:
            VoxloopError: The session is over.

        **Cancellation:** may be called again.
        """
        await self.outbox.room()
        self.check_open()

    def check_open(self) -> None:
        """Raise what ended the session, if it is over."""
        if not self.state.link.over:
            return
        if self._error is None:
            raise UseAfterClose("the session is over: open another with realtime.open_session")
        raise self._error

    def bind_media(self, media: MediaLink) -> int:
        """Let media talk over the connection; samples of the user's audio that are sent again.

        Raises:
            ConfigError: The connection is none that they can talk over.
        """
        if not isinstance(self._transport, MediaTransport):
            raise ConfigError(
                "media need a connection of the network layer; this provider's has no place for "
                "them: play AudioEvents and call send_audio instead"
            )
        again = self._transport.bind_media(media)
        self.media = media
        return again

    def cut_media(self) -> None:
        """Silence the sink, and enter how far it had come."""
        found = None if self.media is None else self.media.cut()
        if found is not None:
            self.feed(inputs.MediaCut(found, time.monotonic()))

    def command(self, given: inputs.Input) -> None:
        """Feed a command of the application.

        Raises:
            VoxloopError: It cannot be carried out, or the session is over.
        """
        self.check_open()
        refused = self.feed(given)
        if refused is not None:
            raise refused

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input; the error of a refused command is returned."""
        self.state, todo = reducer.step(self.state, given)
        refused: VoxloopError | None = None
        for effect in todo:
            match effect:
                case effects.Send():
                    self._send(effect)
                case effects.Emit(event=event):
                    self.events.publish(event)
                    self.observer.event(event, self.state)
                case effects.RunTool(call=call, tool=tool):
                    self._nursery.start_soon(self._run_tool, call, tool)
                case effects.RunHandoff(call=call, handoff=handoff):
                    self._nursery.start_soon(self._run_handoff, call, handoff)
                case effects.ResponseOver():
                    self.observer.response_over(effect)
                case effects.TurnOver():
                    self.observer.turn_over(effect)
                case effects.Refuse(error=error):
                    refused = error
                case effects.End():
                    self._end(effect, given.at)
        self._timer.arm(reducer.deadline(self.state))
        return refused

    def _send(self, effect: effects.Send) -> None:
        event = effect.event
        data = rt.encode(event)
        self.outbox.put(data)
        if isinstance(event, rt.InputAudioBufferAppend):
            self.observer.audio_sent(event.audio, self.outbox.waiting)
        if self.wire.wanted:
            self.wire.publish(WireEvent("out", data, time.monotonic()))

    def _end(self, effect: effects.End, at: float) -> None:
        self._error = effect.error
        self.observer.ended(effect, self.state, at)
        self.outbox.close()
        self.events.finish(effect.error)
        self.wire.finish(effect.error)

    async def _read(self) -> None:
        while not self.state.link.over:
            try:
                frames = await self._transport.receive_batch()
            except Exception as error:
                self.feed(inputs.Lost(_as_lost(error), time.monotonic()))
                return
            for frame in frames:
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        data, at = frame
        given: inputs.Input
        if isinstance(data, AudioDelta):
            if self.wire.wanted:
                for text, when in data.messages:
                    self.wire.publish(WireEvent("in", text, when))
            quick = reducer.steady(self.state, data, at)
            if quick is not None:
                self.state, event = quick
                self.events.publish(event)
                self.observer.event(event, self.state)
                return
            given = inputs.Sound(data, at)
            if data.taken:
                self.observer.audio_taken(data.nbytes)
        elif isinstance(data, MediaCut):
            given = inputs.MediaCut(data, at)
        else:
            if self.wire.wanted:
                self.wire.publish(WireEvent("in", data, at))
            try:
                given = self._received(rt.decode_server(data), at)
            except ProtocolError as error:
                given = inputs.BadFrame(error, at)
        try:
            self.feed(given)
        except Exception:
            # The step that failed has changed nothing: the session goes on without this frame.
            _log.exception("a frame of the server could not be handled")
            failure = ProtocolError("a frame of the server could not be handled; see the log")
            self.events.publish(ErrorEvent(error=failure, at=at))

    def _received(self, event: rt.ServerMessage, at: float) -> inputs.Input:
        """An event that came as text; sound among it still belongs to the sink, if there is one."""
        if self.media is not None and isinstance(event, rt.ResponseOutputAudioDelta):
            place = (event.item_id, event.response_id, event.content_index)
            if self.media.deliver(*place, event.delta):
                self.observer.audio_taken(len(event.delta))
                return inputs.SoundTaken(event, at)
        return inputs.Received(event, at)

    async def _write(self) -> None:
        try:
            await self.outbox.run(self._transport.send)
        except Exception as error:
            # What has arrived is still read; the reader then finds the end by itself.
            self.outbox.close()
            await trio.sleep(DRAIN_SECONDS)
            self.feed(inputs.Lost(_as_lost(error), time.monotonic()))

    async def _run_tool(self, call: Call, tool: Tool) -> None:
        context = self.context.for_agent(call.agent.agent.name).for_call(
            tool_name=call.name, call_id=call.call_id, arguments=call.arguments
        )
        async with self._limiter:
            outcome = await run_tool(tool, call.arguments, context=context)
        self.feed(
            inputs.ToolFinished(
                call.call_id, outcome.output, outcome.status, outcome.duration, time.monotonic()
            )
        )

    async def _run_handoff(self, call: Call, handoff: Handoff) -> None:
        started = time.monotonic()
        target = handoff.agent
        try:
            if handoff.on_handoff is not None:
                answer = handoff.on_handoff(self.context.for_agent(call.agent.agent.name))
                if inspect.isawaitable(answer):
                    await answer
            agent = await resolve(target, self.context)
        except Exception as error:
            _log.debug("handoff %r failed", call.name, exc_info=error)
            text = f"The handoff to {target.name} failed: {type(error).__name__}."
            now = time.monotonic()
            self.feed(inputs.ToolFinished(call.call_id, text, "error", now - started, now))
            self.events.publish(ErrorEvent(error=_as_error(error, target.name), at=now))
            return
        message = json.dumps({"assistant": target.name}, ensure_ascii=False)
        self.feed(inputs.AgentReady(agent, call.call_id, message, time.monotonic()))


class _Timer:
    """Feeds a `Tick` when the reducer wants one."""

    def __init__(self) -> None:
        self._when: float | None = None
        self._sooner = trio.Event()

    def arm(self, when: float | None) -> None:
        """Wake the task only for an earlier time: one that is too early does no harm."""
        if when is not None and (self._when is None or when < self._when):
            self._when = when
            self._sooner.set()

    async def run(self, runner: Runner) -> None:
        """Keep time until cancelled."""
        while not runner.state.link.over:
            self._sooner = trio.Event()
            self._when = reducer.deadline(runner.state)
            wait = float("inf") if self._when is None else self._when - time.monotonic()
            with trio.move_on_after(max(0.0, wait)) as scope:
                await self._sooner.wait()
            if scope.cancelled_caught:
                runner.feed(inputs.Tick(time.monotonic()))


def _audio_bytes(event: Event) -> int:
    return event.audio.nbytes if isinstance(event, AudioEvent) else 0


def _wire_bytes(event: WireEvent) -> int:
    return len(event.data)


def _as_lost(error: Exception) -> VoxloopError | None:
    """What ended the connection; None when it was closed as it should be."""
    if isinstance(error, ConnectionClosed) and error.close_code == NORMAL_CLOSURE:
        return None
    if isinstance(error, VoxloopError):
        return error
    lost = NetworkError(f"the connection failed: {type(error).__name__}: {error}")
    lost.__cause__ = error
    return lost


def _as_error(error: Exception, agent: str) -> VoxloopError:
    if isinstance(error, VoxloopError):
        return error
    wrapped = VoxloopError(f"the handoff to {agent!r} failed", code="handoff_failed")
    wrapped.__cause__ = error
    return wrapped
