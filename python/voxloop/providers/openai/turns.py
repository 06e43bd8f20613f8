"""The turns of a stream, told in the order in which they were spoken: pure, no I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voxloop.providers.transcription import TurnFailed, TurnHeard


@dataclass(slots=True)
class Turn:
    """One item of the server's.

    Attributes:
        item_id: Its id.
        start: Where its speech began, if the server said so.
        stop: Where its speech ended, if the server said so.
        end: Position behind its audio; None until it is committed.
        text: The words so far.
        outcome: What to tell of it, once it is over.
        at: When it was over.
    """

    item_id: str
    start: int | None = None
    stop: int | None = None
    end: int | None = None
    text: str = ""
    outcome: TurnHeard | TurnFailed | None = None
    at: float = 0.0


class Turns:
    """Puts transcripts into the order in which the turns were spoken.

    The server tells of each turn when it is committed, and after which other one it comes; its
    transcript may come before that of an earlier turn, and is then held back.
    """

    def __init__(self) -> None:
        self._known: dict[str, Turn] = {}
        self._order: deque[Turn] = deque()

    def of(self, item_id: str) -> Turn:
        """The turn with this id, new if it has not been heard of."""
        return self._known.setdefault(item_id, Turn(item_id))

    def commit(self, item_id: str, previous: str | None, end: int) -> None:
        """The audio of a turn is complete; it comes right after ``previous`` if that waits."""
        turn = self.of(item_id)
        if turn.end is not None:
            return
        turn.end = end
        place = len(self._order)
        for index, other in enumerate(self._order):
            if other.item_id == previous:
                place = index + 1
        self._order.insert(place, turn)

    @property
    def pending(self) -> bool:
        """Whether a committed turn is not over."""
        return any(turn.outcome is None for turn in self._order)

    @property
    def open(self) -> bool:
        """Whether anything was begun that is not over."""
        return bool(self._known)

    @property
    def earliest(self) -> int | None:
        """Where the first speech began that is not over, as far as the server said."""
        starts = [turn.start for turn in self._known.values() if turn.start is not None]
        return min(starts, default=None)

    @property
    def last_end(self) -> int:
        """Position behind the last turn that is not over; 0 if there is none."""
        return max((turn.end or 0 for turn in self._order), default=0)

    def forget_uncommitted(self) -> None:
        """The buffer was cleared: speech that was not committed is gone."""
        self._known = {turn.item_id: turn for turn in self._order}

    def ready(self, *, before: float | None = None) -> list[Turn]:
        """Take the turns that can be told, in order.

        Args:
            before: Turns that have waited since then are told though an earlier one is not over;
                that one comes later, if at all. Negative infinity for none, infinity for all.
        """
        out: list[Turn] = []
        while self._order:
            first = next((t for t in self._order if t.outcome is not None), None)
            if first is None:
                break
            if first is not self._order[0] and (before is None or first.at > before):
                break
            self._order.remove(first)
            self._known.pop(first.item_id, None)
            out.append(first)
        return out

    @property
    def oldest_wait(self) -> float | None:
        """Since when the turn that has waited longest is held back; None if none is."""
        return min((t.at for t in self._order if t.outcome is not None), default=None)
