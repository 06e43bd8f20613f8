"""Testing without keys: a scripted realtime server, scripted engines, sound made from nothing."""

from __future__ import annotations

from voxloop.testing import script
from voxloop.testing.memory import MemoryProvider, MemoryTransport
from voxloop.testing.realtime_peer import Peer
from voxloop.testing.realtime_server import RealtimeServer
from voxloop.testing.replay import RecordedFrame, Replay, replay
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
    "MemoryProvider",
    "MemoryTransport",
    "Pause",
    "Peer",
    "RealtimeServer",
    "RecordedFrame",
    "Replay",
    "ScriptExhausted",
    "ScriptedLLM",
    "ScriptedProvider",
    "ScriptedSTT",
    "ScriptedTTS",
    "call",
    "replay",
    "script",
    "utterance",
    "vowels",
]
