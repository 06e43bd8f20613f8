"""Telemetry of a run: one place for names, common metadata and what may be told.

=============================  ====================================================================
name                           measurements; metadata besides the common one
=============================  ====================================================================
voice.pipeline.start           at
voice.pipeline.stop            duration_ms; status
voice.pipeline.exception       duration_ms; error, code, message
voice.turn.start               at; turn_id
voice.turn.stop                duration_ms, the turn's ``parts_ms`` as NAME_ms, total_ms,
                               turn_latency_ms; turn_id, status
voice.stt.start                audio_ms, or ``at`` for a stream; turn_id, model, audio
voice.stt.partial              chars; turn_id, model, text
voice.stt.complete             duration_ms, chars, audio_ms unless streamed; turn_id, model, text
voice.stt.error                duration_ms; turn_id, model, error, code, message
voice.workflow.start           chars; turn_id, text
voice.workflow.first_text      duration_ms; turn_id
voice.workflow.stop            duration_ms, chars; turn_id, status
voice.tool.start               turn_id, tool, call_id, arguments
voice.tool.stop                duration_ms; turn_id, tool, call_id, status, output
voice.handoff                  turn_id, from_agent, to_agent
voice.tts.start                chars; turn_id, segment, model, voice, text
voice.tts.first_byte           duration_ms; turn_id, segment, model, voice
voice.tts.chunk                audio_ms, bytes; turn_id, segment, model, voice, audio
voice.tts.complete             duration_ms, audio_ms, chars; turn_id, segment, model, voice
voice.tts.error                duration_ms; turn_id, segment, model, voice, error, code, message
voice.playback.interrupted     heard_ms, unspoken_chars; turn_id, by, text
=============================  ====================================================================

Text (words, arguments, outputs, error messages) and sound are there only if the settings say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from voxloop import telemetry
from voxloop._errors import VoxloopError
from voxloop.voice.config import Config

Value = TypeVar("Value")


class Probe:
    """Emits a run's events; computes nothing when nobody listens."""

    def __init__(self, config: Config) -> None:
        self._text = config.telemetry_text
        self._audio = config.telemetry_audio
        self._common: dict[str, object] = {
            **config.metadata,
            "workflow_name": config.workflow_name,
        }
        if config.group_id is not None:
            self._common["group_id"] = config.group_id

    def wants(self, name: str) -> bool:
        """Whether anyone listens."""
        return telemetry.enabled(name)

    def text(self, value: Value) -> Value | None:
        """`value`, if text may be told."""
        return value if self._text else None

    def audio(self, value: Value) -> Value | None:
        """`value`, if sound may be told."""
        return value if self._audio else None

    def emit(self, name: str, measured: Mapping[str, float], **metadata: object) -> None:
        """Hand one event to whoever listens; metadata that is None is left out."""
        if telemetry.enabled(name):
            known = {key: value for key, value in metadata.items() if value is not None}
            telemetry.emit(name, measured, {**self._common, **known})

    def fail(self, name: str, error: Exception, seconds: float, **metadata: object) -> None:
        """Hand out an event about an error."""
        self.emit(
            name,
            {"duration_ms": seconds * 1000},
            error=type(error).__name__,
            code=error.code if isinstance(error, VoxloopError) else None,
            message=self.text(str(error)),
            **metadata,
        )
