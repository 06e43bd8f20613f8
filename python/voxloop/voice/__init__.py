"""The voice pipeline: speech to text, a workflow, text to speech.

Everything is opened by ``async with``; leaving a block cancels what it started. Queues are bounded
throughout: a reader that does not read holds synthesis back, and that holds the workflow back.
"""

from __future__ import annotations

from voxloop.providers import STTSettings, TTSSettings
from voxloop.voice.config import Config, QueuePolicy, TurnDetection, TurnMode
from voxloop.voice.events import (
    AudioEvent,
    ErrorEvent,
    Event,
    HandoffEvent,
    InterruptedEvent,
    LifecycleEvent,
    MetricsEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TextEvent,
    ToolEvent,
    TranscriptEvent,
    TurnStatus,
)
from voxloop.voice.input import AudioInput, StreamedAudioInput
from voxloop.voice.metrics import TurnMetrics
from voxloop.voice.pipeline import Pipeline
from voxloop.voice.result import Reply, Result, ToolRecord
from voxloop.voice.splitter import SentenceSplitter
from voxloop.voice.workflow import AgentWorkflow, Item, SimpleWorkflow, Workflow

__all__ = [
    "AgentWorkflow",
    "AudioEvent",
    "AudioInput",
    "Config",
    "ErrorEvent",
    "Event",
    "HandoffEvent",
    "InterruptedEvent",
    "Item",
    "LifecycleEvent",
    "MetricsEvent",
    "Pipeline",
    "QueuePolicy",
    "Reply",
    "Result",
    "STTSettings",
    "SentenceSplitter",
    "SimpleWorkflow",
    "SpeechStartedEvent",
    "SpeechStoppedEvent",
    "StreamedAudioInput",
    "TTSSettings",
    "TextEvent",
    "ToolEvent",
    "ToolRecord",
    "TranscriptEvent",
    "TurnDetection",
    "TurnMetrics",
    "TurnMode",
    "TurnStatus",
    "Workflow",
]
