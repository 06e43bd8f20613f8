"""Who has the floor: the answer under way, the user, and what happens when both speak."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import trio

from voxloop.voice.events import InterruptedEvent
from voxloop.voice.mailbox import Mailbox
from voxloop.voice.playback import DeviceClock, Segment, TurnPlayback
from voxloop.voice.probe import Probe
from voxloop.voice.signal import Signal


@dataclass(slots=True, eq=False)
class OpenTurn:
    """A turn from its start to its end.

    Attributes:
        turn_id: The turn.
        playback: What of it was heard.
        scope: All its work.
        answer_scope: The workflow and the voice.
        items: What the workflow opened; told what was heard if it has ``interrupt(heard=...)``.
        begun: The workflow has been asked.
        spoken: All sound has been made.
        voice_failed: It was synthesis that failed.
        interrupted: It was broken off.
    """

    turn_id: int
    playback: TurnPlayback
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    answer_scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    items: object = None
    begun: bool = False
    spoken: bool = False
    voice_failed: bool = False
    interrupted: bool = False

    def tell_heard(self, written: str) -> None:
        """Let the workflow cut its memory to what was heard."""
        interrupt = getattr(self.items, "interrupt", None)
        if callable(interrupt):
            interrupt(heard=written)


class Floor:
    """The open turn of a run and its playback.

    Args:
        mailbox: Where the run's events wait.
        probe: Telemetry.
        yields: Whether the user's speech breaks an answer off; answers then last until played.
    """

    def __init__(self, mailbox: Mailbox, probe: Probe, *, yields: bool = False) -> None:
        self.clock = DeviceClock()
        self.turn: OpenTurn | None = None
        self.user_active = False
        self._mailbox = mailbox
        self._probe = probe
        self._yields = yields
        self._speaking = False
        self._input_over = not yields
        self._changed = Signal()
        self._last_id = 0
        self._quiet_from = 0.0

    def next_id(self) -> int:
        """A number for a turn that begins."""
        self._last_id += 1
        return self._last_id

    @property
    def answering(self) -> bool:
        """Whether an answer is under way that speech could break off."""
        turn = self.turn
        return self._yields and turn is not None and turn.begun and not turn.interrupted

    def open(self, turn_id: int) -> OpenTurn:
        """Begin a turn; the one before has ended."""
        self.turn = OpenTurn(turn_id, TurnPlayback(self.clock))
        if self._speaking and self._yields:
            self.interrupt(by_speech=True)  # the user went on while the turn was on its way
        return self.turn

    def close(self) -> None:
        """End the open turn."""
        self.turn = None
        self._quiet_from = time.monotonic()

    def user_speaks(self) -> None:
        """It is certain that the user speaks."""
        self._speaking = True
        if self._yields:
            self.interrupt(by_speech=True)

    def user_stopped(self) -> None:
        """The user does not speak now."""
        self._speaking = False

    def input_ended(self) -> None:
        """Nobody can break an answer off any more: they end when their sound has been made."""
        self._input_over = True
        self._changed.notify()

    def interrupt(self, *, by_speech: bool = False) -> bool:
        """Break the open turn off; False if there is nothing to break off.

        What the user said stays: a turn that has not reached its workflow when more speech comes
        only waits for its words.
        """
        turn, now = self.turn, time.monotonic()
        if turn is None or turn.interrupted:
            return False
        if turn.spoken and not turn.playback.unread and turn.playback.left(now) <= 0.0:
            return False
        heard = turn.playback.heard(now)
        turn.interrupted = True
        self.clock.ends_at = now
        try:
            if turn.begun:
                turn.tell_heard(heard.written)
        finally:
            self._mailbox.cut(
                InterruptedEvent(
                    turn_id=turn.turn_id,
                    heard_text=heard.text,
                    heard_ms=heard.played_ms,
                    unspoken_text=heard.unspoken,
                    at=now,
                )
            )
            turn.answer_scope.cancel()
            if not by_speech:
                turn.scope.cancel()
        self._probe.emit(
            "voice.playback.interrupted",
            {"heard_ms": heard.played_ms, "unspoken_chars": len(heard.unspoken)},
            turn_id=turn.turn_id,
            by="speech" if by_speech else "application",
            text=self._probe.text(heard.text),
        )
        return True

    def silence_left(self, patience: float) -> float:
        """Seconds until nothing has been played for `patience` seconds."""
        now = time.monotonic()
        self._quiet_from = max(self._quiet_from, self.clock.ends_at)
        return self._quiet_from + patience - now

    def report(self, turn_id: int, played_ms: float) -> None:
        """Take a position of the application's playback; one of a past turn means nothing."""
        if self.turn is not None and self.turn.turn_id == turn_id:
            self.turn.playback.report(played_ms, time.monotonic())
            self._changed.notify()

    def handed_out(self, turn: OpenTurn, segment: Segment, milliseconds: float, at: float) -> None:
        """The application has read sound."""
        turn.playback.hand_out(segment, milliseconds, at)
        self._changed.notify()

    async def played(self, turn: OpenTurn) -> None:
        """Wait until the turn's sound has been played, where answers can be broken off.

        **Cancellation:** may be called again.
        """
        turn.spoken = True
        while not self._input_over:
            left = turn.playback.left(time.monotonic())
            if turn.playback.unread:
                await self._changed.wait()
            elif left > 0.0:
                with trio.move_on_after(left):
                    await self._changed.wait()
            else:
                return
