"""The audio of a stream that may have to be said again: pure, no I/O.

Positions are bytes of PCM16 mono at 24,000 Hz since the stream began, what was cleared left out.
The tape knows what the present connection was given (``sent``), up to where everything has been
transcribed (``settled``), and where turns are to end (marks). A new connection is given all from
``settled`` on: nothing within the window is lost, nothing is transcribed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

BYTES_PER_MS: Final = 48
FRAME_BYTES: Final = 200 * BYTES_PER_MS
"""The most audio of one message."""

Command: TypeAlias = Literal["commit", "end"]


@dataclass(slots=True)
class Mark:
    """A turn ends here because the caller said so.

    Attributes:
        position: Where.
        kind: ``"commit"``, or ``"end"`` of the input.
        number: Tells marks apart.
        committed: The present connection has made an item of it.
    """

    position: int
    kind: Command
    number: int
    committed: bool = False


Outgoing: TypeAlias = bytes | Mark
"""What the connection is to be given next: audio or a mark."""


class Tape:
    """A window on the stream, with bounded memory.

    Args:
        window: The most bytes of audio that are kept.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._audio = bytearray()
        self._start = 0
        self._marks: list[Mark] = []
        self._numbers = 0
        self._next_mark = 0
        self.sent = 0
        self.settled = 0
        self.shift = 0
        """Position minus the server's own count of bytes."""

    @property
    def end(self) -> int:
        """Position behind the last audio."""
        return self._start + len(self._audio)

    @property
    def room(self) -> int:
        """Bytes that can be added without letting go of any that were not sent."""
        return self._window - (self.end - self.sent)

    @property
    def ends_next(self) -> bool:
        """The next item that a mark makes is the one at the end of the input."""
        open_marks = (mark for mark in self._marks[: self._next_mark] if not mark.committed)
        return next((mark.kind == "end" for mark in open_marks), False)

    def add(self, audio: bytes) -> None:
        """Add audio; the oldest beyond the window is let go."""
        self._audio += audio
        excess = min(len(self._audio) - self._window, self.sent - self._start)
        # In steps, so that the memory behind is not moved for each message.
        if excess > self._window // 8 or self.settled - self._start > self._window // 8:
            self._let_go(max(self.settled, self._start + max(0, excess)))

    def mark(self, kind: Command) -> Mark:
        """End a turn at the end of what was added."""
        self._numbers += 1
        mark = Mark(self.end, kind, self._numbers)
        self._marks.append(mark)
        return mark

    def next(self) -> Outgoing | None:
        """What the connection lacks next; `took` says that it has it."""
        mark = self._marks[self._next_mark] if self._next_mark < len(self._marks) else None
        until = self.end if mark is None else mark.position
        if self.sent < until:
            first = self.sent - self._start
            return bytes(self._audio[first : first + min(FRAME_BYTES, until - self.sent)])
        return mark

    def took(self, out: Outgoing) -> None:
        """The connection has been given ``out``."""
        if isinstance(out, Mark):
            self._next_mark += 1
        else:
            self.sent += len(out)

    def committed(self, end: int | None) -> int:
        """An item was made; the position of its end.

        Args:
            end: What the server said of its end; None where a mark ended it.
        """
        if end is not None:
            return min(max(end, self.settled), self.end)
        for mark in self._marks[: self._next_mark]:
            if not mark.committed:
                mark.committed = True
                return mark.position
        return self.sent

    def refused(self, number: int, *, settle: bool) -> Mark | None:
        """The mark made no item, as there was too little audio; give the mark.

        Args:
            number: The mark's.
            settle: No turn before it is open.
        """
        for mark in self._marks:
            if mark.number == number:
                mark.committed = True
                if settle:
                    self.settle(mark.position)
                return mark
        return None

    def settle(self, position: int) -> None:
        """Everything before ``position`` has been transcribed."""
        self.settled = max(self.settled, min(position, self.end))
        done = 0
        for mark in self._marks[: self._next_mark]:
            # The end is never behind us: each connection has to be told of it.
            if mark.kind == "end" or not mark.committed or mark.position > self.settled:
                break
            done += 1
        del self._marks[:done]
        self._next_mark -= done

    def clear(self, keep: int) -> None:
        """Forget the audio behind ``keep``, the end of the last turn, and behind the last mark."""
        keep = max([keep, self.settled, self._start, *(m.position for m in self._marks[-1:])])
        if keep < self.end:
            del self._audio[keep - self._start :]
        self.shift -= max(0, self.sent - keep)
        self.sent = min(self.sent, keep)

    def rewind(self) -> int:
        """A new connection is open, which has heard nothing; the bytes that it cannot be given."""
        origin = max(self.settled, self._start)
        lost = origin - self.settled
        self.sent = self.shift = origin
        self._next_mark = 0
        for mark in self._marks:
            mark.committed = False
        self._marks = [m for m in self._marks if m.position > origin or m.kind == "end"]
        return lost

    def _let_go(self, position: int) -> None:
        count = min(position, self.sent) - self._start
        if count > 0:
            del self._audio[:count]
            self._start += count
