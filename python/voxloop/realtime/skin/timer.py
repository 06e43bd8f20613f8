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

CLOCKS_APART = 0.001
"""Seconds by which trio's clock, which ends the wait, may be ahead of the one that is read here."""


class Looking(Protocol):
    """What looks at something now and then."""

    due: float
    """When it wants to next, by `time.monotonic`."""

    def look(self) -> None:
        """Look now."""
        ...


class Timed(Protocol):
    """What has a state that moves with time."""

    @property
    def state(self) -> State:
        """What the reducer has made of everything so far."""
        ...

    @property
    def follower(self) -> Looking | None:
        """Who enters what attached media carry."""
        ...

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input."""
        ...

    def pinged(self) -> None:
        """Look at the pings, which the network thread sends and measures."""
        ...


class Timer:
    """Feeds a `Tick` when the reducer wants one; now and then has pings and media looked at.

    Who keeps time waits in the block of `rest` and says `rested` behind it: the first connection's
    reader, which has to wait anyway, and after it a task that does nothing else.
    """

    __slots__ = ("_early", "_look", "_rest", "_runner", "_sooner", "_when")

    def __init__(self, runner: Timed) -> None:
        self._runner = runner
        self._when: float | None = None
        self._rest: trio.CancelScope | None = None
        """In which someone waits."""
        self._sooner = False
        self._early = 0.0
        self._look = time.monotonic() + PING_SECONDS

    def arm(self, when: float | None) -> None:
        """End the wait only for an earlier time: one that is too early does no harm."""
        if when is not None and (self._when is None or when < self._when):
            self._when = when
            self.nudge()

    def nudge(self) -> None:
        """End the wait: there may be something to do sooner."""
        if self._rest is not None:
            self._sooner = True
            self._rest.deadline = float("-inf")

    def rest(self) -> trio.CancelScope:
        """A block that ends when it is time."""
        self._sooner = False
        self._when = reducer.deadline(self._runner.state)
        now = time.monotonic()
        wait = float("inf") if self._when is None else max(self._when - now, self._early)
        if self._when is not None:
            self._when = now + wait
        follower = self._runner.follower
        look = self._look if follower is None else min(self._look, follower.due)
        self._rest = trio.move_on_after(max(0.0, min(wait, look - now)))
        return self._rest

    def rested(self) -> None:
        """The block is over; if that is because it is time, do what is due."""
        rest, self._rest = self._rest, None
        if rest is None or not rest.cancelled_caught:
            return
        self._early, now = 0.0, time.monotonic()
        if now >= self._look:
            self._look = now + PING_SECONDS
            self._runner.pinged()
        follower = self._runner.follower
        if follower is not None and now >= follower.due:
            follower.look()
        if self._sooner or self._when is None or now < self._when - CLOCKS_APART:
            return
        state = self._runner.state
        when = reducer.deadline(state)
        if when is not None and when > now and state.turn.shown == "speaking":
            # More sound has come, perhaps as fast as it is played: not after each piece.
            self._early = FOLLOW_SECONDS
        else:
            self._runner.feed(inputs.Tick(now))

    async def run(self) -> None:
        """Keep time until cancelled."""
        while not self._runner.state.link.over:
            with self.rest():
                await trio.sleep_forever()
            self.rested()
