"""Settings of a pipeline, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voxloop._errors import ConfigError
from voxloop.providers import STTSettings, TTSSettings

QueuePolicy: TypeAlias = Literal["queue"]
"""What becomes of speech that ends while an answer is under way: it waits for its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """When a turn begins and ends, judged on this side by voice activity detection.

    Attributes:
        threshold: Speech probability from which a frame counts as speech, above 0 and below 1.
        prefix_padding_ms: Audio kept before the first speech frame.
        silence_duration_ms: Quiet time after which the turn has ended.
        min_speech_ms: Speech time from which a turn has begun.
        max_turn_seconds: Length at which a turn is ended although speech goes on; bounds memory.

    Raises:
        ConfigError: A value cannot be used.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    min_speech_ms: int = 96
    max_turn_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise ConfigError(f"threshold is {self.threshold}; give a value between 0 and 1")
        for name in ("prefix_padding_ms", "silence_duration_ms", "min_speech_ms"):
            value = getattr(self, name)
            if not 0 <= value <= 10_000:
                raise ConfigError(f"{name} is {value}; give 0 to 10000 milliseconds")
        if not 1.0 <= self.max_turn_seconds <= 3600.0:
            raise ConfigError(f"max_turn_seconds is {self.max_turn_seconds}; give 1 to 3600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a pipeline listens and speaks.

    Attributes:
        workflow_name: Name in telemetry.
        stt: Settings for speech recognition.
        tts: Settings for synthesis; an agent with a voice of its own keeps that.
        turn_detection: When a turn ends; also what is cut off a static input.
        prefetch: Segments of text that are in synthesis at once, the one that plays included.
        queue_policy: What becomes of speech that ends while an answer is under way.

    Raises:
        ConfigError: A value cannot be used.
    """

    workflow_name: str = "voice"
    stt: STTSettings = field(default_factory=STTSettings)
    tts: TTSSettings = field(default_factory=TTSSettings)
    turn_detection: TurnDetection = field(default_factory=TurnDetection)
    prefetch: int = 2
    queue_policy: QueuePolicy = "queue"

    def __post_init__(self) -> None:
        kinds = {"stt": STTSettings, "tts": TTSSettings, "turn_detection": TurnDetection}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ConfigError(f"{name} must be {kind.__name__}, not {type(value).__name__}")
        if not 1 <= self.prefetch <= 16:
            raise ConfigError(f"prefetch is {self.prefetch}; give 1 to 16 segments")
        if self.queue_policy != "queue":
            raise ConfigError(f"queue_policy is {self.queue_policy!r}; give 'queue'")
