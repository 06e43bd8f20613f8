"""Events on their way to the reader: bounded, and emptied of an answer that was broken off."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import trio

from voxloop.voice.events import AudioEvent, Event, InterruptedEvent, TextEvent
from voxloop.voice.signal import Signal

# Events of a voice that wait for a reader, 100 ms of sound each; then synthesis is held back.
_CAPACITY = 16
# What the user does is told although sound waits to be read; still, not without bound.
_URGENT_CAPACITY = 80


@dataclass(frozen=True, slots=True)
class _Letter:
    event: Event
    on_read: Callable[[float], None] | None


class Mailbox:
    """A queue of events with one reader."""

    def __init__(self) -> None:
        self._letters: deque[_Letter] = deque()
        self._closed = False
        self._muted: int | None = None
        self._filled = Signal()
        self._emptied = Signal()

    async def send(
        self, event: Event, *, on_read: Callable[[float], None] | None = None, urgent: bool = False
    ) -> None:
        """Add an event; waits while the reader is behind.

        Args:
            event: The event; sound and text of a turn that was cut are dropped.
            on_read: Called with the time when the reader takes it.
            urgent: Do not wait behind sound that has not been read.

        **Cancellation:** the event is either added or not.
        """
        await trio.sleep(0)
        most = _URGENT_CAPACITY if urgent else _CAPACITY
        while len(self._letters) >= most and not self._is_muted(event):
            await self._emptied.wait()
        self._put(event, on_read)

    def cut(self, event: InterruptedEvent) -> None:
        """Drop sound and text of the event's turn, now and from now on, and add the event."""
        self._muted = event.turn_id
        self._letters = deque(x for x in self._letters if not self._is_muted(x.event))
        self._put(event, None)
        self._emptied.notify()

    def close(self) -> None:
        """Say that no event follows."""
        self._closed = True
        self._filled.notify()

    async def receive(self) -> Event:
        """Take the oldest event.

        Raises:
            trio.EndOfChannel: There is none, and none follows.

        **Cancellation:** nothing is lost; may be called again.
        """
        await trio.sleep(0)
        while not self._letters:
            if self._closed:
                raise trio.EndOfChannel
            await self._filled.wait()
        letter = self._letters.popleft()
        self._emptied.notify()
        if letter.on_read is not None:
            letter.on_read(time.monotonic())
        return letter.event

    def _is_muted(self, event: Event) -> bool:
        return isinstance(event, (AudioEvent, TextEvent)) and event.turn_id == self._muted

    def _put(self, event: Event, on_read: Callable[[float], None] | None) -> None:
        if not self._is_muted(event):
            self._letters.append(_Letter(event, on_read))
            self._filled.notify()
