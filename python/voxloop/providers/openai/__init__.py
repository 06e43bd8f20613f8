"""The OpenAI provider, and servers that speak its protocol."""

from __future__ import annotations

from voxloop.providers.openai.listening import StreamOptions
from voxloop.providers.openai.provider import OpenAI
from voxloop.providers.openai.stt import OpenAISpeechToText
from voxloop.providers.openai.transcript import (
    FileEvent,
    FileOptions,
    FileTranscript,
    TranscriptDelta,
    TranscriptSegment,
)
from voxloop.providers.openai.tts import OpenAITextToSpeech, SpeechFormat

__all__ = [
    "FileEvent",
    "FileOptions",
    "FileTranscript",
    "OpenAI",
    "OpenAISpeechToText",
    "OpenAITextToSpeech",
    "SpeechFormat",
    "StreamOptions",
    "TranscriptDelta",
    "TranscriptSegment",
]
