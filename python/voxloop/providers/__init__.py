"""Where speech, text and realtime sessions come from: protocols, settings, OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._lazy import lazy
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

if TYPE_CHECKING:
    from voxloop.providers.chat import ChatCompletionsModel
    from voxloop.providers.default import default_provider
    from voxloop.providers.openai import OpenAI
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


# OpenAI pulls in addresses and errors; protocols alone do not need it, nor the settings of speech
# that is transcribed and spoken by itself.
__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    {
        "ChatCompletionsModel": "chat",
        "CustomVoice": "settings",
        "OpenAI": "openai",
        "STTSettings": "settings",
        "ServerTurns": "transcription",
        "SpeechStarted": "transcription",
        "SpeechStopped": "transcription",
        "StreamError": "transcription",
        "StreamingSpeechToText": "transcription",
        "TTSSettings": "settings",
        "TranscriptionEvent": "transcription",
        "TranscriptionSession": "transcription",
        "TurnFailed": "transcription",
        "TurnHeard": "transcription",
        "TurnPartial": "transcription",
        "default_provider": "default",
    },
)
