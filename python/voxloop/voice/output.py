"""The one way events leave a run: keeps turns balanced and the terminal event single."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from voxloop.voice.events import ErrorEvent, Event, LifecycleEvent, MetricsEvent, TurnStatus
from voxloop.voice.mailbox import Mailbox
from voxloop.voice.metrics import TurnClock
from voxloop.voice.probe import Probe

Terminal: TypeAlias = Literal["completed", "failed", "cancelled"]
"""The last event of a run."""


class Output:
    """Sends events and keeps the books of turns."""

    def __init__(self, mailbox: Mailbox, probe: Probe) -> None:
        self._mailbox = mailbox
        self._probe = probe
        self._turn: TurnClock | None = None
        self._started = 0.0
        self._measured = False

    async def emit(self, event: Event, *, on_read: Callable[[float], None] | None = None) -> None:
        """Send an event; waits while the reader is behind.

        **Cancellation:** the event is either sent or not.
        """
        await self._mailbox.send(event, on_read=on_read)

    async def tell(self, event: Event) -> None:
        """Send an event about what the user does; it does not wait behind unread sound.

        **Cancellation:** the event is either sent or not.
        """
        await self._mailbox.send(event, urgent=True)

    async def start_turn(self, clock: TurnClock) -> None:
        """Open a turn; the one before has ended."""
        now = time.monotonic()
        await self.emit(LifecycleEvent(event="turn_started", turn_id=clock.turn_id, at=now))
        # After the event: a cancelled send has sent nothing, so there is nothing to end.
        self._turn = clock
        self._started = now
        self._measured = False
        self._probe.emit("voice.turn.start", {"at": now}, turn_id=clock.turn_id)

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
        if self._probe.wants("voice.turn.stop"):
            self._probe.emit(
                "voice.turn.stop", self._figures(self._turn), turn_id=turn_id, status=status
            )
        self._turn = None

    async def report(self, error: Exception) -> None:
        """Tell of an error; the open turn stays open."""
        turn_id = None if self._turn is None else self._turn.turn_id
        await self.emit(ErrorEvent(error=error, turn_id=turn_id, at=time.monotonic()))

    async def fail_turn(self, error: Exception) -> None:
        """Report what ended the open turn and close it; the run goes on."""
        await self.report(error)
        await self.end_turn("failed")

    async def finish(self, phase: Terminal, error: Exception | None = None) -> None:
        """End the run: close what is open, then send the terminal event. Called once."""
        if error is not None:
            await self.fail_turn(error)
        else:
            await self.end_turn("cancelled")
        await self.emit(LifecycleEvent(event=phase, turn_id=None, at=time.monotonic()))

    def _figures(self, clock: TurnClock) -> dict[str, float]:
        metrics = clock.metrics()
        figures = {f"{name}_ms": value for name, value in metrics.parts_ms.items()}
        figures["duration_ms"] = (time.monotonic() - self._started) * 1000
        figures["total_ms"] = metrics.total_ms
        if metrics.turn_latency_ms is not None:
            figures["turn_latency_ms"] = metrics.turn_latency_ms
        return figures
