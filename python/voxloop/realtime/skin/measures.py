"""The numbers of telemetry events, from what a session knows."""

from __future__ import annotations

from voxloop._errors import VoxloopError
from voxloop.realtime.events import AudioInterruptedEvent
from voxloop.realtime.machine.effects import End, ResponseOver
from voxloop.realtime.machine.latency import TurnMetrics
from voxloop.realtime.machine.state import ResponseTrack


def to_first_audio(track: ResponseTrack | None) -> float | None:
    """Milliseconds from the request of a response, or from its beginning, to its first sound."""
    if track is None or track.first_audio_at is None:
        return None
    return (track.first_audio_at - _begun(track)) * 1000.0


def response(over: ResponseOver) -> dict[str, float]:
    """Times and tokens of a response that ended."""
    track = over.track
    measured: dict[str, float] = {"duration_ms": (over.at - track.created_at) * 1000.0}
    if track.asked_at is not None:
        measured["queue_ms"] = (track.created_at - track.asked_at) * 1000.0
    if track.first_text_at is not None:
        measured["ttft_ms"] = (track.first_text_at - _begun(track)) * 1000.0
    first = to_first_audio(track)
    if first is not None:
        measured["ttfa_ms"] = first
    if over.usage is not None:
        usage = over.usage
        measured |= {
            "total_tokens": usage.total_tokens,
            "input_tokens": usage.input_tokens,
            "input_text_tokens": usage.input_text_tokens,
            "input_audio_tokens": usage.input_audio_tokens,
            "input_image_tokens": usage.input_image_tokens,
            "cached_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
            "output_text_tokens": usage.output_text_tokens,
            "output_audio_tokens": usage.output_audio_tokens,
        }
    return measured


def turn(metrics: TurnMetrics) -> dict[str, float]:
    """The parts of a turn, their sum, and the spans that people ask for by name."""
    measured = {f"to_{name}_ms": seconds * 1000.0 for name, seconds in metrics.parts}
    measured["total_ms"] = metrics.total * 1000.0
    if metrics.voice_to_voice is not None:
        measured["speech_stop_to_first_audio_ms"] = metrics.voice_to_voice * 1000.0
    committed, created = metrics.at("committed"), metrics.at("response_created")
    if committed is not None and created is not None:
        measured["commit_to_created_ms"] = (created - committed) * 1000.0
    stopped, written = metrics.at("speech_stopped") or committed, metrics.at("transcript")
    if stopped is not None and written is not None:
        measured["transcript_delay_ms"] = (written - stopped) * 1000.0
    return measured


def interruption(event: AudioInterruptedEvent) -> dict[str, float]:
    """How far the sound had come, and where the conversation was cut."""
    return {
        "played_ms": event.heard_ms,
        "received_ms": event.received_ms,
        "truncate_ms": event.heard_ms,
    }


def ending(end: End) -> dict[str, object]:
    """Why a session ended: by the client, by the server, by an error, or since it had expired."""
    error = end.error
    if error is None:
        reason = "client" if end.left else "server"
    else:
        reason = "expired" if error.code == "session_expired" else "error"
    return {
        "reason": reason,
        "code": None if error is None else error.code,
        "close_code": getattr(error, "close_code", None),
    }


def failure(error: VoxloopError, *, fatal: bool) -> dict[str, object]:
    """What went wrong, without what was said about it."""
    return {
        "code": error.code,
        "type": type(error).__name__,
        "fatal": fatal,
        "param": getattr(error, "param", None),
        "event_id": getattr(error, "event_id", None),
    }


def _begun(track: ResponseTrack) -> float:
    return track.asked_at if track.asked_at is not None else track.created_at
