"""The settings of a realtime transcription session."""

from __future__ import annotations

from collections.abc import Sequence

from voxloop.wire.realtime.client import InputAudioBufferAppend, SessionUpdate
from voxloop.wire.realtime.codec import encode
from voxloop.wire.realtime.session import (
    AudioConfig,
    AudioFormat,
    AudioInput,
    NoiseReduction,
    Session,
    Transcription,
    TurnDetection,
)

__all__ = ["append", "control", "session_update"]


def session_update(
    transcription: Transcription,
    *,
    turn_detection: TurnDetection | None,
    noise_reduction: str | None,
    include: Sequence[str] = (),
) -> str:
    """The ``session.update`` that makes a transcription session of PCM16 at 24,000 Hz.

    Args:
        transcription: Model, language and so on.
        turn_detection: How the server finds turns; None switches that off.
        noise_reduction: ``near_field``, ``far_field``, or None for off.
        include: Extra output.
    """
    reduction = None if noise_reduction is None else NoiseReduction(type=noise_reduction)
    audio = AudioInput(
        format=AudioFormat(type="audio/pcm", rate=24_000),
        noise_reduction=reduction,
        transcription=transcription,
        turn_detection=turn_detection,
    )
    session = Session(type="transcription", audio=AudioConfig(input=audio))
    if include:
        session = Session(type="transcription", audio=session.audio, include=list(include))
    return encode(SessionUpdate(session=session))


def append(audio: bytes) -> str:
    """The ``input_audio_buffer.append`` of ``audio``."""
    return encode(InputAudioBufferAppend(audio=audio))


def control(kind: str, event_id: str) -> str:
    """A message that says no more than its type, such as ``input_audio_buffer.commit``."""
    return encode({"type": kind, "event_id": event_id})
