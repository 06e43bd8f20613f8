"""Telemetry of a session. Nothing is measured for a name that no one listens to.

Every event bears the ids of a span: of the session, of the response that it belongs to, or of the
call. ``realtime.session.start`` and ``stop`` are the two ends of the first, ``realtime.response.
start`` and ``stop`` of the second, ``realtime.tool.call`` and ``result`` of the third; a call lies
within its response, a response within the session, and the session within the span that it was
opened in, if there was one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from voxloop import telemetry
from voxloop._errors import VoxloopError
from voxloop.realtime.events import (
    AgentStartEvent,
    AudioEvent,
    AudioInterruptedEvent,
    ErrorEvent,
    Event,
    ReconnectedEvent,
    ReconnectingEvent,
    ToolCallEvent,
    ToolResultEvent,
)
from voxloop.realtime.machine.effects import End, Greeted, ResponseOver, TurnOver
from voxloop.realtime.machine.quick import Row
from voxloop.realtime.machine.state import State
from voxloop.realtime.skin import measures
from voxloop.realtime.skin.connector import Pinged
from voxloop.realtime.telephone import FORMATS, WireFormat
from voxloop.telemetry import Later, Span

AUDIO_SENT = "realtime.audio.sent"
PCM16 = FORMATS["pcm16"]
_TELLING = frozenset(
    {
        AgentStartEvent,
        ToolCallEvent,
        ToolResultEvent,
        AudioInterruptedEvent,
        ReconnectingEvent,
        ReconnectedEvent,
        ErrorEvent,
    }
)
"""What the application is told that is told here as well, sound aside."""


@dataclass(slots=True)
class Totals:
    """What `realtime.session.stop` reports."""

    started_at: float
    audio_in_ms: float = 0.0
    audio_out_ms: float = 0.0
    responses: int = 0


class Observer:
    """Turns what happens in a session into telemetry events.

    Args:
        started_at: When it began.
        form: The agent's sound on the wire.

    Attributes:
        span: The span of the session.
    """

    __slots__ = (
        "_calls",
        "_delay",
        "_form",
        "_heard",
        "_pongs",
        "_responses",
        "_start",
        "_totals",
        "span",
    )

    def __init__(self, started_at: float, form: WireFormat) -> None:
        self.span = Span.begin()
        self._form = form
        self._totals = Totals(started_at)
        self._heard: tuple[str, ...] = ()
        self._responses: dict[str, Later] = {}
        self._calls: dict[str, Later] = {}
        self._start: tuple[dict[str, float], dict[str, object]] | None = None
        self._delay = 0.0
        self._pongs = 0

    # -- the session -----------------------------------------------------------------------------

    def started(
        self,
        *,
        model: str | None,
        agent: str,
        connect_seconds: float,
        transport: object = None,
        attempts: int = 1,
    ) -> None:
        """The connection stands; it is told once the server has given the session an id."""
        if not telemetry.enabled("realtime.session.start"):
            return
        measured = {"system_time": time.time(), "connect_ms": connect_seconds * 1000.0}
        handshake = getattr(transport, "handshake_seconds", None)
        if isinstance(handshake, float):
            measured["handshake_ms"] = handshake * 1000.0
        kind = type(transport).__name__.lower()
        about: dict[str, object] = {
            "model": model,
            "agent": agent,
            "transport": kind,
            "attempt": attempts,
        }
        self._start = (measured, about)

    def greeted(self, greeted: Greeted) -> None:
        """The server has begun the session."""
        self._begin(greeted.session_id)

    def _begin(self, session_id: str | None = None) -> None:
        if self._start is not None:
            (measured, about), self._start = self._start, None
            about = {"session_id": session_id, **about, **self.span.metadata}
            telemetry.emit("realtime.session.start", measured, about)

    def ended(self, end: End, state: State, at: float) -> None:
        """The session is over."""
        self._begin(state.link.session_id)
        if end.error is not None:
            self._error(end.error, fatal=True)
        if telemetry.enabled("realtime.session.stop"):
            totals = self._totals
            self._tell(
                "realtime.session.stop",
                {
                    "duration_ms": (at - totals.started_at) * 1000.0,
                    "audio_in_ms": totals.audio_in_ms,
                    "audio_out_ms": totals.audio_out_ms,
                    "responses": totals.responses,
                    "tokens": state.usage.total_tokens,
                },
                {"session_id": state.link.session_id, **measures.ending(end)},
            )

    def pinged(self, transport: object) -> None:
        """Tell the round trip of the last ping of the connection, unless it was told before."""
        if not telemetry.enabled("realtime.rtt") or not isinstance(transport, Pinged):
            return
        stats = transport.stats()
        if stats.rtt is not None and stats.pongs != self._pongs:
            self._pongs = stats.pongs
            self._tell("realtime.rtt", {"ping_ms": stats.rtt * 1000.0}, {})

    # -- sound -----------------------------------------------------------------------------------

    def audio_sent(
        self, data: bytes, queued_bytes: int, queue_depth: int, form: WireFormat
    ) -> None:
        """A piece of the user's audio was queued."""
        self._totals.audio_in_ms += len(data) / form.bytes_per_ms
        if telemetry.enabled("realtime.audio.sent"):
            self._tell(
                "realtime.audio.sent",
                {
                    "bytes": len(data),
                    "duration_ms": len(data) / form.bytes_per_ms,
                    "queue_depth": queue_depth,
                    "queued_bytes": queued_bytes,
                },
                {"format": form.name},
            )

    def audio_carried(self, nbytes: int, queued_bytes: int, form: WireFormat) -> None:
        """An attached source has sent so much of the user's audio since the last time."""
        self._totals.audio_in_ms += nbytes / form.bytes_per_ms
        if telemetry.enabled(AUDIO_SENT):
            self._tell(
                AUDIO_SENT,
                {
                    "bytes": nbytes,
                    "duration_ms": nbytes / form.bytes_per_ms,
                    "queued_bytes": queued_bytes,
                },
                {"format": form.name, "attached": True},
            )

    def audio_taken(self, nbytes: int, response_id: str, item_id: str) -> None:
        """A sink has taken a piece of the answer's audio."""
        milliseconds = nbytes / self._form.bytes_per_ms
        self._totals.audio_out_ms += milliseconds
        if telemetry.enabled("realtime.audio.received"):
            first = self._first(response_id)
            self._tell(
                "realtime.audio.received",
                {"bytes": nbytes, "duration_ms": milliseconds, "first": int(first)},
                {"response_id": response_id, "item_id": item_id, "attached": True},
                self._response_span(response_id),
            )

    def heard(self, event: AudioEvent, state: State) -> None:
        """The application was given a piece of the answer's audio."""
        self._totals.audio_out_ms += event.audio.duration * 1000.0
        first = self._first(event.response_id)
        if telemetry.enabled("realtime.audio.received"):
            measured: dict[str, float] = {
                "bytes": event.audio.nbytes,
                "duration_ms": event.audio.duration * 1000.0,
                "first": int(first),
            }
            ttfa = measures.to_first_audio(state.turn.responses.get(event.response_id))
            if first and ttfa is not None:
                measured["ttfa_ms"] = ttfa
            self._tell(
                "realtime.audio.received",
                measured,
                {
                    "response_id": event.response_id,
                    "item_id": event.item_id,
                    "content_index": event.content_index,
                },
                self._response_span(event.response_id),
            )

    def heard_more(self, row: Row) -> None:
        """The application was given more of an answer's audio, the first of which it has."""
        if telemetry.enabled("realtime.audio.received"):
            for event, _ in row.told:
                if isinstance(event, AudioEvent):
                    self.heard(event, row.state)
        else:
            self._totals.audio_out_ms += sum(size for _, size in row.told) / PCM16.bytes_per_ms

    def _first(self, response_id: str) -> bool:
        """Whether nothing was heard of a response so far; from now on there was."""
        if response_id in self._heard:
            return False
        self._heard = (*self._heard, response_id)
        return True

    # -- what the application is told --------------------------------------------------------------

    def event(self, event: Event, state: State) -> None:
        """The application was told of something that is not sound."""
        if type(event) in _TELLING:
            self._seldom(event, state)

    def _seldom(self, event: Event, state: State) -> None:
        match event:
            case AgentStartEvent():
                self._response_started(event, state)
            case ToolCallEvent():
                self._called(event, state)
            case ToolResultEvent():
                self._answered(event)
            case AudioInterruptedEvent() if telemetry.enabled("realtime.interrupt"):
                about: dict[str, object] = {"item_id": event.item_id, "cause": event.cause}
                self._tell("realtime.interrupt", measures.interruption(event), about)
            case ReconnectingEvent():
                self._delay = event.delay
            case ReconnectedEvent() if telemetry.enabled("realtime.reconnect"):
                self._reconnected(event, state)
            case ErrorEvent():
                self._error(event.error, fatal=False)
            case _:
                pass

    def call_span(self, call_id: str, response_id: str = "") -> Later:
        """The span of a call, which lies within that of its response."""
        found = self._calls.get(call_id)
        if found is None:
            around = self._responses.get(response_id, self.span)
            found = self._calls[call_id] = Later(around)
        return found

    def _response_span(self, response_id: str) -> Span:
        found = self._responses.get(response_id)
        return self.span if found is None else found.span

    def _called(self, event: ToolCallEvent, state: State) -> None:
        if not telemetry.enabled("realtime.tool.call"):
            return
        call = state.tools.calls.get(event.call_id)
        self._tell(
            "realtime.tool.call",
            {"system_time": time.time()},
            {
                "tool": event.name,
                "call_id": event.call_id,
                "agent": (state.agent.current if call is None else call.agent).agent.name,
                "needs_approval": event.needs_approval,
            },
            self.call_span(event.call_id, "" if call is None else call.response_id).span,
        )

    def _answered(self, event: ToolResultEvent) -> None:
        call = self._calls.pop(event.call_id, None)
        if telemetry.enabled("realtime.tool.result"):
            self._tell(
                "realtime.tool.result",
                {
                    "duration_ms": event.duration * 1000.0,
                    "output_bytes": len(event.output.encode(errors="replace")),
                },
                {"tool": event.name, "call_id": event.call_id, "outcome": event.status},
                None if call is None else call.span,
            )

    def _response_started(self, event: AgentStartEvent, state: State) -> None:
        self._totals.responses += 1
        self._responses[event.response_id] = Later(self.span)
        if telemetry.enabled("realtime.response.start"):
            track = state.turn.responses.get(event.response_id)
            measured: dict[str, float] = {"system_time": time.time()}
            if track is not None and track.asked_at is not None:
                measured["queue_ms"] = (track.created_at - track.asked_at) * 1000.0
            self._tell(
                "realtime.response.start",
                measured,
                {"response_id": event.response_id, "agent": event.agent},
                self._response_span(event.response_id),
            )

    def response_over(self, over: ResponseOver) -> None:
        """A response ended."""
        track = over.track
        self._heard = tuple(name for name in self._heard if name != track.response_id)
        if telemetry.enabled("realtime.response.stop"):
            about: dict[str, object] = {
                "response_id": track.response_id,
                "agent": track.agent,
                "status": over.status,
                "reason": over.reason,
            }
            span = self._response_span(track.response_id)
            self._tell("realtime.response.stop", measures.response(over), about, span)
        self._responses.pop(track.response_id, None)

    def turn_over(self, over: TurnOver) -> None:
        """A turn ended."""
        if telemetry.enabled("realtime.turn.latency"):
            metrics = over.metrics
            about: dict[str, object] = {"turn": metrics.turn, "interrupted": metrics.interrupted}
            self._tell("realtime.turn.latency", measures.turn(metrics), about)

    def _reconnected(self, event: ReconnectedEvent, state: State) -> None:
        self._tell(
            "realtime.reconnect",
            {
                "attempt": state.line.attempt,
                "delay_ms": 0.0 if event.planned else self._delay * 1000.0,
                "downtime_ms": event.downtime * 1000.0,
                "replayed_items": event.replayed_items,
                "dropped_audio_ms": event.dropped_audio_ms,
            },
            {"planned": event.planned, "session_id": state.link.session_id},
        )

    def _error(self, error: VoxloopError, *, fatal: bool) -> None:
        if telemetry.enabled("realtime.session.error"):
            about = measures.failure(error, fatal=fatal)
            self._tell("realtime.session.error", {"count": 1}, about)

    def _tell(
        self,
        name: str,
        measured: Mapping[str, float],
        about: Mapping[str, object],
        span: Span | None = None,
    ) -> None:
        self._begin()
        telemetry.emit(name, measured, {**about, **(span or self.span).metadata})
