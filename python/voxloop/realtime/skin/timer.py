"""When the reducer is to be looked at again."""

from __future__ import annotations

import time
from typing import Protocol

import trio

from voxloop._errors import VoxloopError
from voxloop.realtime.machine import inputs, reducer
from voxloop.realtime.machine.state import State

FOLLOW_SECONDS = 0.5
"""How often the end of sound that goes on and on is looked for; the end of its response shows it
sooner."""
PING_SECONDS = 15.0
"""How often the round trip of the last ping is told, if nothing else brings it up before."""


class Timed(Protocol):
    """What has a state that moves with time."""

    @property
    def state(self) -> State:
        """What the reducer has made of everything so far."""
        ...

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input."""
        ...

    def pinged(self) -> None:
        """Look at the pings, which the network thread sends and measures."""
        ...


class Timer:
    """Feeds a `Tick` when the reducer wants one, and has the pings looked at now and then."""

    __slots__ = ("_rest", "_sooner", "_when")

    def __init__(self) -> None:
        self._when: float | None = None
        self._rest: trio.CancelScope | None = None
        """In which the task sleeps."""
        self._sooner = False

    def arm(self, when: float | None) -> None:
        """Wake the task only for an earlier time: one that is too early does no harm."""
        if when is not None and (self._when is None or when < self._when):
            self._when = when
            if self._rest is not None:
                self._sooner = True
                self._rest.deadline = float("-inf")

    async def run(self, runner: Timed) -> None:
        """Keep time until cancelled."""
        early, look = 0.0, time.monotonic() + PING_SECONDS
        while not runner.state.link.over:
            self._sooner = False
            self._when = reducer.deadline(runner.state)
            now = time.monotonic()
            wait = float("inf") if self._when is None else max(self._when - now, early)
            if self._when is not None:
                self._when = now + wait
            with trio.move_on_after(max(0.0, min(wait, look - now))) as self._rest:
                await trio.sleep_forever()
            self._rest = None
            early, now = 0.0, time.monotonic()
            if now >= look:
                look = now + PING_SECONDS
                runner.pinged()
            if self._sooner:
                continue
            when = reducer.deadline(runner.state)
            if when is not None and when > now and runner.state.turn.shown == "speaking":
                # More sound has come, perhaps as fast as it is played: not after each piece.
                early = FOLLOW_SECONDS
            else:
                runner.feed(inputs.Tick(now))
