"""When things happened in a turn, by the arrival of the frames."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

KEPT_TURNS = 100
"""Turns that `Session.metrics` remembers."""

Mark: TypeAlias = Literal[
    "speech_stopped",
    "committed",
    "requested",
    "transcript",
    "response_created",
    "tool_call",
    "tool_result",
    "first_text",
    "first_audio",
    "last_audio",
]


class TurnMetrics(Struct, frozen=True, kw_only=True):
    """One turn, from the end of the user's speech to the end of the answer.

    Attributes:
        turn: Number of the turn, from 1.
        marks: What happened first when, in order: (name, ``time.monotonic()`` seconds).
            ``last_audio`` is the latest; all others are the first of their kind.
        interrupted: The user cut the answer short.
        complete: The answer is over.
    """

    turn: int
    marks: tuple[tuple[Mark, float], ...] = ()
    interrupted: bool = False
    complete: bool = False

    def at(self, mark: Mark) -> float | None:
        """When the mark was made, None if it was not."""
        for name, when in self.marks:
            if name == mark:
                return when
        return None

    @property
    def parts(self) -> tuple[tuple[Mark, float], ...]:
        """Seconds from one mark to the next, named after the later one; they sum to `total`."""
        ordered = sorted(self.marks, key=lambda mark: mark[1])
        pairs = pairwise(ordered)
        return tuple((later[0], later[1] - earlier[1]) for earlier, later in pairs)

    @property
    def total(self) -> float:
        """Seconds from the first mark to the last."""
        times = [when for _, when in self.marks]
        return max(times) - min(times) if times else 0.0

    @property
    def voice_to_voice(self) -> float | None:
        """Seconds from the detected end of speech to the first audio of the answer."""
        start, first = self.at("speech_stopped"), self.at("first_audio")
        return None if start is None or first is None else first - start


class Ledger(Struct, frozen=True):
    """The turns so far, the oldest of them forgotten.

    Attributes:
        past: Those that are over.
        open: The one that is not.
        count: How many there were.
    """

    past: tuple[TurnMetrics, ...] = ()
    open: TurnMetrics | None = None
    count: int = 0

    @property
    def turns(self) -> tuple[TurnMetrics, ...]:
        """All that are remembered."""
        return self.past if self.open is None else (*self.past, self.open)[-KEPT_TURNS:]


def begin(ledger: Ledger, mark: Mark, at: float) -> Ledger:
    """Start a turn, or mark the open one."""
    if ledger.open is not None:
        return note(ledger, mark, at)
    count = ledger.count + 1
    return Ledger(ledger.past, TurnMetrics(turn=count, marks=((mark, at),)), count)


def note(ledger: Ledger, mark: Mark, at: float) -> Ledger:
    """Mark the open turn; only ``last_audio`` is moved when it is there already."""
    turn = ledger.open
    if turn is None and mark == "transcript" and ledger.past:
        turn = ledger.past[-1]  # it may come after the answer
    if turn is None or (mark != "last_audio" and turn.at(mark) is not None):
        return ledger
    before = turn.marks
    if mark == "last_audio":
        before = tuple(entry for entry in before if entry[0] != mark)
    marks: tuple[tuple[Mark, float], ...] = (*before, (mark, at))
    made = TurnMetrics(
        turn=turn.turn, marks=marks, interrupted=turn.interrupted, complete=turn.complete
    )
    if turn.complete:
        return Ledger((*ledger.past[:-1], made), ledger.open, ledger.count)
    return Ledger(ledger.past, made, ledger.count)


def noted(ledger: Ledger, mark: Mark) -> bool:
    """Whether another mark of this name would be nothing new to the open turn."""
    turn = ledger.open
    return turn is None or turn.at(mark) is not None


def interrupted(ledger: Ledger) -> Ledger:
    """The answer of the open turn was cut short."""
    turn = ledger.open
    if turn is None:
        return ledger
    return Ledger(ledger.past, replace(turn, interrupted=True), ledger.count)


def finish(ledger: Ledger) -> tuple[Ledger, TurnMetrics | None]:
    """Close the open turn, if its answer has begun."""
    turn = ledger.open
    if turn is None or turn.at("response_created") is None:
        return ledger, None
    over = replace(turn, complete=True)
    return Ledger((*ledger.past, over)[-KEPT_TURNS:], None, ledger.count), over
