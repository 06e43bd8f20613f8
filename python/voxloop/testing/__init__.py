"""Testing without keys: scripted engines and sound made from nothing."""

from __future__ import annotations

from voxloop.testing.scripted import (
    Pause,
    ScriptedLLM,
    ScriptedProvider,
    ScriptedSTT,
    ScriptedTTS,
    ScriptExhausted,
    call,
)
from voxloop.testing.sound import utterance, vowels

__all__ = [
    "Pause",
    "ScriptExhausted",
    "ScriptedLLM",
    "ScriptedProvider",
    "ScriptedSTT",
    "ScriptedTTS",
    "call",
    "utterance",
    "vowels",
]
