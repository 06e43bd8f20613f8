"""What a pipeline tells while it runs; every event is frozen and can be matched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from voxloop.audio import AudioChunk
from voxloop.voice.metrics import TurnMetrics

TurnStatus: TypeAlias = Literal["ok", "no_speech", "failed", "interrupted", "cancelled", "dropped"]
"""How a turn ended; ``"dropped"``: newer speech made it stale before it was answered."""

Phase: TypeAlias = Literal["turn_started", "turn_ended", "completed", "failed", "cancelled"]
"""Points in the life of a run; the last three are terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEvent:
    """The next piece of the answer's sound.

    Attributes:
        data: Mono at 24,000 Hz, whole frames, encoded as the settings say.
        turn_id: The turn.
        at: When it was ready, in seconds of `time.monotonic`.
    """

    data: AudioChunk
    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleEvent:
    """A turn or the run began or ended.

    Each ``turn_started`` has its ``turn_ended``, and the last event of a run is one of
    ``completed``, ``failed`` and ``cancelled``, exactly once.

    Attributes:
        event: What happened.
        turn_id: The turn; None for the run. A greeting is turn 0.
        status: With ``turn_ended``, how the turn ended. ``"no_speech"``: nothing was heard, so
            nothing was answered.
        at: When, in seconds of `time.monotonic`.
    """

    event: Phase
    turn_id: int | None
    status: TurnStatus | None = None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """Something failed: one turn, or the run (then a terminal ``failed`` follows).

    Outside of a turn it may also be what the recogniser's server complains of while it goes on:
    then nothing has ended, and an answer under way is not broken off.

    Attributes:
        error: What was raised.
        turn_id: The turn; None outside of one.
        at: When, in seconds of `time.monotonic`.
    """

    error: Exception
    turn_id: int | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """What was heard.

    Attributes:
        text: The words so far; empty when there were none.
        turn_id: The turn.
        final: Whether that is all of the turn. Partial transcripts come from recognisers of
            streams, before their turn is started.
        at: When it was there, in seconds of `time.monotonic`.
    """

    text: str
    turn_id: int
    final: bool = True
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStartedEvent:
    """The user has begun to speak.

    Attributes:
        turn_id: The turn that this will be.
        at: When it was certain, in seconds of `time.monotonic`.
    """

    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStoppedEvent:
    """The user has stopped speaking; attributes as those of `SpeechStartedEvent`."""

    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedEvent:
    """The answer was broken off: empty the playback device now, no more of its sound comes.

    Sound that was not yet read from the run is dropped by itself.

    Attributes:
        turn_id: The turn.
        heard_text: What the user has heard, up to the last whole word.
        heard_ms: Sound that has been played.
        unspoken_text: What had been written but was not heard.
        at: When, in seconds of `time.monotonic`.
    """

    turn_id: int
    heard_text: str
    heard_ms: float
    unspoken_text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvent:
    """What is being said from here on; its audio follows.

    Attributes:
        text: One segment with the blank that ends it: all segments of a turn join to its text.
        turn_id: The turn.
        at: When its first audio was ready, in seconds of `time.monotonic`.
    """

    text: str
    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEvent:
    """The agent calls a tool, or the tool has answered.

    Attributes:
        kind: ``"call"`` or ``"result"``.
        name: Name of the tool as the model wrote it.
        call_id: Ties the result to the call.
        arguments: JSON text as the model wrote it; empty in a result.
        output: Text that the model gets; empty in a call.
        status: With a result, ``"ok"``, ``"error"``, ``"timeout"`` or ``"rejected"``.
        duration: With a result, seconds that the tool took.
        needs_approval: With a call, whether it waits for `AgentWorkflow.approve_tool_call`.
        turn_id: The turn.
        at: When, in seconds of `time.monotonic`.
    """

    kind: Literal["call", "result"]
    name: str
    call_id: str
    arguments: str = ""
    output: str = ""
    status: Literal["ok", "error", "timeout", "rejected"] | None = None
    duration: float | None = None
    needs_approval: bool = False
    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffEvent:
    """Another agent answers from here on.

    Attributes:
        from_agent: Name of the agent that handed over.
        to_agent: Name of the agent that took over.
        turn_id: The turn.
        at: When, in seconds of `time.monotonic`.
    """

    from_agent: str
    to_agent: str
    turn_id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsEvent:
    """Where the time of the turn went; comes right before its ``turn_ended``.

    Attributes:
        metrics: The figures.
        turn_id: The turn.
        at: When, in seconds of `time.monotonic`.
    """

    metrics: TurnMetrics
    turn_id: int
    at: float


Event: TypeAlias = (
    AudioEvent
    | LifecycleEvent
    | ErrorEvent
    | TranscriptEvent
    | TextEvent
    | ToolEvent
    | HandoffEvent
    | MetricsEvent
    | SpeechStartedEvent
    | SpeechStoppedEvent
    | InterruptedEvent
)
