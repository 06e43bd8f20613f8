"""What came of one question through one engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from voxloop.audio import AudioChunk

MARKS = (
    "end_of_speech",
    "end_of_turn",
    "transcript",
    "first_text",
    "first_audio",
    "last_audio",
)
"""The moments of a turn, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Moments of a turn in ``time.monotonic()`` seconds; one that never came is absent."""

    at: dict[str, float] = field(default_factory=dict)

    def since_speech(self) -> dict[str, float]:
        """Milliseconds of each moment after the end of speech."""
        start = self.at.get("end_of_speech")
        if start is None:
            return {}
        return {m: round((self.at[m] - start) * 1000, 1) for m in MARKS if m in self.at}

    def parts(self) -> dict[str, float]:
        """Milliseconds from each moment to the next; they add up to the last moment."""
        moments = list(self.since_speech().items())
        return {name: round(ms - before, 1) for (_, before), (name, ms) in pairwise(moments)}

    def as_json(self) -> dict[str, object]:
        """Moments, parts and their sum."""
        moments = self.since_speech()
        if not moments:
            return {}
        return {**moments, "parts": self.parts(), "total": list(moments.values())[-1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One tool call and what it gave."""

    name: str
    arguments: dict[str, object]
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was heard, done and said."""

    transcript: str
    agent: str
    tool_calls: tuple[ToolUse, ...]
    handoffs: tuple[str, ...]
    answer: str
    audio: AudioChunk
    latency: Latency

    def as_json(self, audio_file: Path | None) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {
            "transcript": self.transcript,
            "agent": self.agent,
            "tool_calls": [
                {"name": use.name, "arguments": use.arguments, "output": use.output}
                for use in self.tool_calls
            ],
            "handoffs": list(self.handoffs),
            "answer": self.answer,
            "audio": None if audio_file is None else str(audio_file),
            "latency_ms": self.latency.as_json(),
        }
