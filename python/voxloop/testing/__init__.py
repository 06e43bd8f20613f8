"""Testing without keys: scripted servers for every endpoint, scripted engines, sound."""

from __future__ import annotations

from voxloop.testing import http_script as http
from voxloop.testing import script
from voxloop.testing.http_server import HttpRequest, HttpServer
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
from voxloop.testing.workflow import ScriptedWorkflow

__all__ = [
    "HttpRequest",
    "HttpServer",
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
    "ScriptedWorkflow",
    "call",
    "http",
    "replay",
    "script",
    "utterance",
    "vowels",
]
