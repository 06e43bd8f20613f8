"""The OpenAI provider, and servers that speak its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._lazy import lazy
from voxloop.providers.openai.provider import OpenAI

if TYPE_CHECKING:
    from voxloop.providers.openai.listening import StreamOptions
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

__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    {
        "FileEvent": "transcript",
        "FileOptions": "transcript",
        "FileTranscript": "transcript",
        "OpenAISpeechToText": "stt",
        "OpenAITextToSpeech": "tts",
        "SpeechFormat": "tts",
        "StreamOptions": "listening",
        "TranscriptDelta": "transcript",
        "TranscriptSegment": "transcript",
    },
)
