"""Where speech, text and realtime sessions come from: protocols, settings, OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop.providers.protocols import (
    JsonObject,
    LanguageModel,
    MediaTransport,
    ModelDone,
    ModelEvent,
    ModelRequest,
    Provider,
    RealtimeTarget,
    RealtimeTransport,
    SpeechToText,
    TextDelta,
    TextDone,
    TextToSpeech,
    ToolCall,
    Transcript,
)
from voxloop.providers.settings import CustomVoice, STTSettings, TTSSettings
from voxloop.providers.transcription import (
    ServerTurns,
    SpeechStarted,
    SpeechStopped,
    StreamError,
    StreamingSpeechToText,
    TranscriptionEvent,
    TranscriptionSession,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)

if TYPE_CHECKING:
    from voxloop.providers.chat import ChatCompletionsModel
    from voxloop.providers.default import default_provider
    from voxloop.providers.openai import OpenAI

__all__ = [
    "ChatCompletionsModel",
    "CustomVoice",
    "JsonObject",
    "LanguageModel",
    "MediaTransport",
    "ModelDone",
    "ModelEvent",
    "ModelRequest",
    "OpenAI",
    "Provider",
    "RealtimeTarget",
    "RealtimeTransport",
    "STTSettings",
    "ServerTurns",
    "SpeechStarted",
    "SpeechStopped",
    "SpeechToText",
    "StreamError",
    "StreamingSpeechToText",
    "TTSSettings",
    "TextDelta",
    "TextDone",
    "TextToSpeech",
    "ToolCall",
    "Transcript",
    "TranscriptionEvent",
    "TranscriptionSession",
    "TurnFailed",
    "TurnHeard",
    "TurnPartial",
    "default_provider",
]


def __getattr__(name: str) -> object:
    # OpenAI pulls in the HTTP client; protocols and settings alone do not need it.
    if name == "OpenAI":
        from voxloop.providers.openai import OpenAI

        return OpenAI
    if name == "ChatCompletionsModel":
        from voxloop.providers.chat import ChatCompletionsModel

        return ChatCompletionsModel
    if name == "default_provider":
        from voxloop.providers.default import default_provider

        return default_provider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
