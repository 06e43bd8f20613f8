"""Realtime sessions: speech in, speech out, over one connection.

`open_session` opens one; its events are frozen classes to `match` on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._lazy import lazy
from voxloop.net import Interruption, MediaStats
from voxloop.realtime.attach import Media
from voxloop.realtime.config import (
    ModelConfig,
    NoiseReduction,
    RunConfig,
    SessionModelSettings,
    Transcription,
    TurnDetection,
)
from voxloop.realtime.events import (
    AgentEndEvent,
    AgentStartEvent,
    AgentState,
    AgentStateEvent,
    AudioEvent,
    AudioInterruptedEvent,
    DtmfEvent,
    ErrorEvent,
    Event,
    GuardrailAction,
    GuardrailTrippedEvent,
    HandoffEvent,
    HistoryEvent,
    McpApprovalEvent,
    RateLimitEvent,
    ReconnectedEvent,
    ReconnectingEvent,
    SilenceEvent,
    SpeechEvent,
    ToolCallEvent,
    ToolResultEvent,
    TranscriptEvent,
    TranscriptSegmentEvent,
)
from voxloop.realtime.machine.history import HistoryItem, HistoryPart
from voxloop.realtime.machine.latency import TurnMetrics
from voxloop.realtime.open import open_session
from voxloop.realtime.reconnect import Reconnect
from voxloop.realtime.session import Session
from voxloop.realtime.skin.subscribers import Subscription
from voxloop.realtime.skin.telling import WireEvent
from voxloop.realtime.usage import Prices, Usage

if TYPE_CHECKING:
    from voxloop.realtime.calls import Calls
    from voxloop.realtime.diagnosis import Diagnosis, DiagnosisStep, diagnose
    from voxloop.realtime.recording import Recording

__all__ = [
    "AgentEndEvent",
    "AgentStartEvent",
    "AgentState",
    "AgentStateEvent",
    "AudioEvent",
    "AudioInterruptedEvent",
    "Calls",
    "Diagnosis",
    "DiagnosisStep",
    "DtmfEvent",
    "ErrorEvent",
    "Event",
    "GuardrailAction",
    "GuardrailTrippedEvent",
    "HandoffEvent",
    "HistoryEvent",
    "HistoryItem",
    "HistoryPart",
    "Interruption",
    "McpApprovalEvent",
    "Media",
    "MediaStats",
    "ModelConfig",
    "NoiseReduction",
    "Prices",
    "RateLimitEvent",
    "Reconnect",
    "ReconnectedEvent",
    "ReconnectingEvent",
    "Recording",
    "RunConfig",
    "Session",
    "SessionModelSettings",
    "SilenceEvent",
    "SpeechEvent",
    "Subscription",
    "ToolCallEvent",
    "ToolResultEvent",
    "TranscriptEvent",
    "TranscriptSegmentEvent",
    "Transcription",
    "TurnDetection",
    "TurnMetrics",
    "Usage",
    "WireEvent",
    "diagnose",
    "open_session",
]

# A module must not bear the name of something in it: once it is loaded, that name is the module.
__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    {
        "Calls": "calls",
        "Diagnosis": "diagnosis",
        "DiagnosisStep": "diagnosis",
        "Recording": "recording",
        "diagnose": "diagnosis",
    },
)
