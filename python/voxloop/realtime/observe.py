"""Telemetry of a session. Nothing is measured for a name that no one listens to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from voxloop import telemetry
from voxloop._errors import VoxloopError
from voxloop.realtime.effects import End, ResponseOver, TurnOver
from voxloop.realtime.events import (
    AgentStartEvent,
    AudioEvent,
    AudioInterruptedEvent,
    ErrorEvent,
    Event,
    ReconnectedEvent,
    ToolCallEvent,
    ToolResultEvent,
    TranscriptEvent,
)
from voxloop.realtime.latency import TurnMetrics
from voxloop.realtime.state import State
from voxloop.realtime.telephone import WireFormat

AUDIO_SENT = "realtime.audio.sent"


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
    """

    def __init__(self, started_at: float, form: WireFormat) -> None:
        self._form = form
        self._totals = Totals(started_at)
        self._heard: set[str] = set()

    def started(self, *, model: str | None, agent: str, connect_seconds: float) -> None:
        """The connection stands."""
        if telemetry.enabled("realtime.session.start"):
            telemetry.emit(
                "realtime.session.start",
                {"system_time": time.time(), "connect_ms": connect_seconds * 1000.0},
                {"model": model, "agent": agent},
            )

    def audio_sent(self, data: bytes, queued_bytes: int, form: WireFormat) -> None:
        """A piece of the user's audio was queued."""
        self._totals.audio_in_ms += len(data) / form.bytes_per_ms
        if telemetry.enabled("realtime.audio.sent"):
            telemetry.emit(
                "realtime.audio.sent",
                {
                    "bytes": len(data),
                    "duration_ms": len(data) / form.bytes_per_ms,
                    "queued_bytes": queued_bytes,
                },
                {"format": form.name},
            )

    def audio_carried(self, nbytes: int, queued_bytes: int, form: WireFormat) -> None:
        """An attached source has sent so much of the user's audio since the last time."""
        self._totals.audio_in_ms += nbytes / form.bytes_per_ms
        if telemetry.enabled(AUDIO_SENT):
            telemetry.emit(
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
            first = response_id not in self._heard
            self._heard.add(response_id)
            telemetry.emit(
                "realtime.audio.received",
                {"bytes": nbytes, "duration_ms": milliseconds, "first": int(first)},
                {"response_id": response_id, "item_id": item_id, "attached": True},
            )

    def event(self, event: Event, state: State) -> None:
        """The application was told."""
        if type(event) is AudioEvent:
            self._audio(event)
        elif type(event) is not TranscriptEvent:
            self._seldom(event, state)

    def _seldom(self, event: Event, state: State) -> None:
        match event:
            case AgentStartEvent():
                self._response_started(event, state)
            case ToolCallEvent() if telemetry.enabled("realtime.tool.call"):
                telemetry.emit(
                    "realtime.tool.call",
                    {"system_time": time.time()},
                    {
                        "tool": event.name,
                        "call_id": event.call_id,
                        "agent": state.agent.current.agent.name,
                        "needs_approval": event.needs_approval,
                    },
                )
            case ToolResultEvent() if telemetry.enabled("realtime.tool.result"):
                telemetry.emit(
                    "realtime.tool.result",
                    {
                        "duration_ms": event.duration * 1000.0,
                        "output_bytes": len(event.output.encode(errors="replace")),
                    },
                    {"tool": event.name, "call_id": event.call_id, "outcome": event.status},
                )
            case AudioInterruptedEvent() if telemetry.enabled("realtime.interrupt"):
                telemetry.emit(
                    "realtime.interrupt", {"played_ms": event.heard_ms}, {"item_id": event.item_id}
                )
            case ReconnectedEvent() if telemetry.enabled("realtime.reconnect"):
                telemetry.emit(
                    "realtime.reconnect",
                    {
                        "attempt": state.line.attempt,
                        "downtime_ms": event.downtime * 1000.0,
                        "replayed_items": event.replayed_items,
                        "dropped_audio_ms": event.dropped_audio_ms,
                    },
                    {"planned": event.planned, "session_id": state.link.session_id},
                )
            case ErrorEvent():
                _error(event.error, fatal=False)
            case _:
                pass

    def response_over(self, over: ResponseOver) -> None:
        """A response ended."""
        self._heard.discard(over.track.response_id)
        if not telemetry.enabled("realtime.response.stop"):
            return
        track = over.track
        start = track.asked_at if track.asked_at is not None else track.created_at
        measured: dict[str, float] = {"duration_ms": (over.at - track.created_at) * 1000.0}
        if track.asked_at is not None:
            measured["queue_ms"] = (track.created_at - track.asked_at) * 1000.0
        if track.first_text_at is not None:
            measured["ttft_ms"] = (track.first_text_at - start) * 1000.0
        if track.first_audio_at is not None:
            measured["ttfa_ms"] = (track.first_audio_at - start) * 1000.0
        telemetry.emit(
            "realtime.response.stop",
            measured,
            {
                "response_id": track.response_id,
                "agent": track.agent,
                "status": over.status,
                "reason": over.reason,
            },
        )

    def turn_over(self, over: TurnOver) -> None:
        """A turn ended."""
        if telemetry.enabled("realtime.turn.latency"):
            metrics = over.metrics
            telemetry.emit(
                "realtime.turn.latency",
                _latencies(metrics),
                {"turn": metrics.turn, "interrupted": metrics.interrupted},
            )

    def ended(self, end: End, state: State, at: float) -> None:
        """The session is over."""
        if end.error is not None:
            _error(end.error, fatal=True)
        if telemetry.enabled("realtime.session.stop"):
            totals = self._totals
            telemetry.emit(
                "realtime.session.stop",
                {
                    "duration_ms": (at - totals.started_at) * 1000.0,
                    "audio_in_ms": totals.audio_in_ms,
                    "audio_out_ms": totals.audio_out_ms,
                    "responses": totals.responses,
                    "tokens": state.usage.total_tokens,
                },
                {
                    "session_id": state.link.session_id,
                    "reason": "ended" if end.error is None else end.error.code,
                    "close_code": getattr(end.error, "close_code", None),
                },
            )

    def _audio(self, event: AudioEvent) -> None:
        self._totals.audio_out_ms += event.audio.duration * 1000.0
        first = event.response_id not in self._heard
        self._heard.add(event.response_id)
        if telemetry.enabled("realtime.audio.received"):
            telemetry.emit(
                "realtime.audio.received",
                {
                    "bytes": event.audio.nbytes,
                    "duration_ms": event.audio.duration * 1000.0,
                    "first": int(first),
                },
                {"response_id": event.response_id, "item_id": event.item_id},
            )

    def _response_started(self, event: AgentStartEvent, state: State) -> None:
        self._totals.responses += 1
        if telemetry.enabled("realtime.response.start"):
            track = state.turn.responses.get(event.response_id)
            measured: dict[str, float] = {"system_time": time.time()}
            if track is not None and track.asked_at is not None:
                measured["queue_ms"] = (track.created_at - track.asked_at) * 1000.0
            telemetry.emit(
                "realtime.response.start",
                measured,
                {"response_id": event.response_id, "agent": event.agent},
            )


def _latencies(metrics: TurnMetrics) -> dict[str, float]:
    measured = {f"to_{name}_ms": seconds * 1000.0 for name, seconds in metrics.parts}
    measured["total_ms"] = metrics.total * 1000.0
    if metrics.voice_to_voice is not None:
        measured["speech_stop_to_first_audio_ms"] = metrics.voice_to_voice * 1000.0
    return measured


def _error(error: VoxloopError, *, fatal: bool) -> None:
    if not telemetry.enabled("realtime.session.error"):
        return
    telemetry.emit(
        "realtime.session.error",
        {"count": 1},
        {
            "code": error.code,
            "type": type(error).__name__,
            "fatal": fatal,
            "param": getattr(error, "param", None),
            "event_id": getattr(error, "event_id", None),
        },
    )
