"""The one way events leave a run: keeps turns balanced and the terminal event single."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from voxloop.voice.events import ErrorEvent, Event, LifecycleEvent, MetricsEvent, TurnStatus
from voxloop.voice.metrics import TurnClock

Terminal: TypeAlias = Literal["completed", "failed", "cancelled"]
"""The last event of a run."""


class Output:
    """Sends events and keeps the books of turns.

    Args:
        send: Takes an event; waits while the reader is behind.
    """

    def __init__(self, send: Callable[[Event], Awaitable[None]]) -> None:
        self.emit = send
        self._turn: TurnClock | None = None
        self._measured = False

    async def start_turn(self, clock: TurnClock) -> None:
        """Open a turn; the one before has ended."""
        await self.emit(
            LifecycleEvent(event="turn_started", turn_id=clock.turn_id, at=time.monotonic())
        )
        # After the event: a cancelled send has sent nothing, so there is nothing to end.
        self._turn = clock
        self._measured = False

    async def end_turn(self, status: TurnStatus) -> None:
        """Close the open turn, if there is one, with its metrics.

        **Cancellation:** the turn stays open; may be called again with another status.
        """
        if self._turn is None:
            return
        now, turn_id = time.monotonic(), self._turn.turn_id
        if not self._measured:
            await self.emit(MetricsEvent(metrics=self._turn.metrics(), turn_id=turn_id, at=now))
            self._measured = True
        await self.emit(LifecycleEvent(event="turn_ended", turn_id=turn_id, status=status, at=now))
        self._turn = None

    async def fail_turn(self, error: Exception) -> None:
        """Report what ended the open turn and close it; the run goes on."""
        turn_id = None if self._turn is None else self._turn.turn_id
        await self.emit(ErrorEvent(error=error, turn_id=turn_id, at=time.monotonic()))
        await self.end_turn("failed")

    async def finish(self, phase: Terminal, error: Exception | None = None) -> None:
        """End the run: close what is open, then send the terminal event. Called once."""
        if error is not None:
            await self.fail_turn(error)
        else:
            await self.end_turn("cancelled")
        await self.emit(LifecycleEvent(event=phase, turn_id=None, at=time.monotonic()))
