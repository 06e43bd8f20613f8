"""Where the time of a turn went."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Mark: TypeAlias = Literal[
    "end_of_speech", "end_of_turn", "transcript", "first_text", "first_audio", "last_audio"
]
"""Points of a turn, in the order in which they are reached."""

MARKS: tuple[Mark, ...] = get_args(Mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnMetrics:
    """When each point of a turn was reached, in seconds of `time.monotonic`; None if it was not.

    Attributes:
        turn_id: The turn.
        end_of_speech: The last speech frame arrived. A static input has arrived whole: this is
            the start of the run.
        end_of_turn: Turn detection was certain.
        transcript: The words were there.
        first_text: The workflow gave its first text.
        first_audio: The first audio event was ready.
        last_audio: The last audio event was ready.
    """

    turn_id: int
    end_of_speech: float | None = None
    end_of_turn: float | None = None
    transcript: float | None = None
    first_text: float | None = None
    first_audio: float | None = None
    last_audio: float | None = None

    @property
    def parts_ms(self) -> dict[str, float]:
        """Milliseconds from each point to the next that was reached, under the later one's name."""
        parts: dict[str, float] = {}
        previous: float | None = None
        for name in MARKS:
            at: float | None = getattr(self, name)
            if at is None:
                continue
            if previous is not None:
                parts[name] = (at - previous) * 1000
            previous = at
        return parts

    @property
    def total_ms(self) -> float:
        """Milliseconds from the first point to the last; the sum of `parts_ms`."""
        return sum(self.parts_ms.values())

    @property
    def turn_latency_ms(self) -> float | None:
        """Milliseconds from the end of speech to the first audio."""
        if self.end_of_speech is None or self.first_audio is None:
            return None
        return (self.first_audio - self.end_of_speech) * 1000


class TurnClock:
    """Collects the points of one turn."""

    def __init__(self, turn_id: int) -> None:
        self.turn_id = turn_id
        self._marks: dict[Mark, float] = {}

    def mark(self, name: Mark, *, at: float | None = None) -> None:
        """Note that a point was reached; only ``last_audio`` may be noted again.

        Args:
            name: The point.
            at: When; default now.
        """
        if name == "last_audio" or name not in self._marks:
            self._marks[name] = time.monotonic() if at is None else at

    def metrics(self) -> TurnMetrics:
        """What has been noted so far."""
        return TurnMetrics(turn_id=self.turn_id, **self._marks)
