"""Broadcast: every subscriber has a bounded channel of its own, and none can hold up another.

Policy: what is *droppable* (audio) is dropped oldest first beyond a bound of bytes, and counted.
Everything else is never dropped: a subscriber that lets more than a bound of it pile up is cut
off, its iteration gives what is there and then raises.

One channel is there whether anyone reads it or not: the session's own. It keeps what comes before
it is iterated, so that nothing is missed between opening and reading. If that grows beyond the
bound and still nobody has begun, it lets go of everything and holds nothing more until someone
does; that ends nothing and holds up nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import trio

from voxloop._bridge import Waiter, cancellation_point, checkpoint
from voxloop._errors import ConcurrencyError, VoxloopError

T = TypeVar("T")

_NOTHING: Final[deque[Any]] = deque(maxlen=0)
"""The queue of all that wait: a deque has room for 64, however little is in it."""

MAX_EVENTS = 8192
"""Events that may wait for one subscriber, audio not counted."""
MAX_DROPPABLE_BYTES = 32 * 1024 * 1024
"""Audio that may wait for one subscriber: about eleven minutes at 24,000 Hz."""
GIVE_WAY_EVENTS = 256
"""Events that a reader may be behind before the connection is not read for a moment."""
GIVE_WAY_SECONDS = 0.02
"""How long that moment is at most, unless sound would be dropped."""
IDLE_TURNS = 3
"""Turns of the loop in which a reader that is at work takes something."""
IN_A_ROW = 32
"""Events that are given one after the other before other tasks have a turn."""


class Subscription(Generic[T]):
    """One subscriber's channel: iterate it; only one task at a time may.

    The iteration ends when the session does; if that was by an error, it is raised after the last
    event.
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_dropped",
        "_ended",
        "_error",
        "_limits",
        "_mode",
        "_queue",
        "_reading",
        "_row",
        "_silent",
        "_sounds",
        "_wake",
    )

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_DROPPABLE_BYTES,
        unasked: bool = False,
    ) -> None:
        self._ended = False
        """Nothing more can come."""
        self._error: VoxloopError | None = None
        """What is raised then."""
        self._limits = (max_events, max_bytes)
        self._queue: deque[tuple[T, int]] = _NOTHING
        self._sounds = 0
        self._bytes = 0
        self._silent = 0
        """How many at the front of the queue are known to be no sound."""
        self._mode: Literal["unread", "read", "asleep"] = "unread" if unasked else "read"
        self._dropped = 0
        self._wake = Waiter()
        self._reading = False
        self._row = IN_A_ROW - 1

    @property
    def dropped(self) -> int:
        """How many events were dropped because this subscriber was slow."""
        return self._dropped

    @property
    def behind(self) -> int:
        """Events that a reader has yet to be given; none where nobody reads."""
        return len(self._queue) if self._mode == "read" else 0

    @property
    def crowded(self) -> bool:
        """Whether half of the sound that may wait is waiting."""
        return self._mode == "read" and self._bytes > self._limits[1] // 2

    @property
    def open(self) -> bool:
        """Whether more can come."""
        return not self._ended

    def push(self, event: T, size: int = 0) -> None:
        """Hand in an event; it never waits.

        Args:
            event: What.
            size: Bytes of an event that may be dropped; 0 for one that may not.
        """
        self.push_all(((event, size),))

    def push_all(self, events: Sequence[tuple[T, int]]) -> None:
        """Hand in events, each with its size; see `push`."""
        if self._ended:
            return
        if self._mode == "asleep":
            self._dropped += len(events)
            return
        if self._queue is _NOTHING:
            self._queue = deque()
        self._queue.extend(events)
        for _, size in events:
            if size:
                self._bytes += size
                self._sounds += 1
        max_events, max_bytes = self._limits
        while self._bytes > max_bytes:
            self._drop()
        if len(self._queue) - self._sounds <= max_events:
            self._wake.call()
        elif self._mode == "unread":
            self._sleep()
        else:
            self.finish(
                VoxloopError(
                    f"this subscriber let {max_events} events pile up and was cut off; "
                    "read faster, or open a subscription only where it is read",
                    code="subscriber_too_slow",
                )
            )

    def _drop(self) -> None:
        """Drop the oldest sound."""
        while not self._queue[self._silent][1]:
            self._silent += 1
        self._bytes -= self._queue[self._silent][1]
        del self._queue[self._silent]
        self._sounds -= 1
        self._dropped += 1

    def finish(self, error: VoxloopError | None) -> None:
        """Nothing more comes."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake.call()

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        """The next event. Those that wait already are given in rows, without a turn for others.

        Raises:
            ConcurrencyError: Another task is iterating this subscription.
            VoxloopError: What ended the session, once all events were given.

        **Cancellation:** nothing is lost; may be called again.
        """
        if self._reading:
            raise ConcurrencyError(
                "two tasks iterate one subscription; open another with session.subscribe()"
            )
        self._mode = "read"
        self._row = (self._row + 1) % IN_A_ROW
        if self._queue and self._row:
            await cancellation_point()  # a cancel here loses nothing
        else:
            await self._turn()
        event, size = self._queue.popleft()
        if size:
            self._bytes -= size
            self._sounds -= 1
        if self._silent:
            self._silent -= 1
        return event

    async def _turn(self) -> None:
        """Give others a turn, or wait until there is something."""
        self._reading = True
        try:
            if self._queue or self._ended:
                await checkpoint()
            while not self._queue:
                self._row = 0
                if self._ended:
                    raise self._error or StopAsyncIteration
                self._queue = _NOTHING
                await self._wake.wait()
        finally:
            self._reading = False

    def _sleep(self) -> None:
        """Nobody reads: hold nothing until someone does."""
        self._dropped += len(self._queue)
        self._queue = _NOTHING
        self._bytes = self._sounds = self._silent = 0
        self._mode = "asleep"


class Hub(Generic[T]):
    """All subscriptions to one kind of event."""

    __slots__ = ("_end", "_subscriptions")

    def __init__(self) -> None:
        self._subscriptions: tuple[Subscription[T], ...] = ()
        self._end: tuple[VoxloopError | None] | None = None

    @property
    def wanted(self) -> bool:
        """Whether anyone listens."""
        return bool(self._subscriptions)

    def add(self, *, unasked: bool = False) -> Subscription[T]:
        """Open a channel for what comes from now on; an ``unasked`` one may never be read."""
        subscription: Subscription[T] = Subscription(unasked=unasked)
        if self._end is not None:
            subscription.finish(self._end[0])
        else:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def remove(self, subscription: Subscription[T]) -> None:
        """Close a channel; a second time does nothing."""
        self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
        subscription.finish(None)

    def publish(self, event: T, size: int = 0) -> None:
        """Hand an event to every subscriber; those that were cut off are let go.

        Args:
            event: What.
            size: Bytes of an event that may be dropped; 0 for one that may not.
        """
        self.publish_all(((event, size),))

    def publish_all(self, events: Sequence[tuple[T, int]]) -> None:
        """Hand several events to every subscriber, each with its size; see `publish`."""
        for subscription in self._subscriptions:
            subscription.push_all(events)
            if not subscription.open:
                self._subscriptions = tuple(
                    other for other in self._subscriptions if other is not subscription
                )

    @property
    def crowded(self) -> bool:
        """Whether a reader has fallen behind."""
        for subscription in self._subscriptions:
            if subscription.crowded or subscription.behind > GIVE_WAY_EVENTS:
                return True
        return False

    async def give_way(self) -> None:
        """Let readers that have fallen behind and are at work catch up.

        For a moment only, unless a burst is about to push the sound that they are coming to out of
        their channels. One that takes nothing in a few turns waits for other things, and is not
        waited for.

        **Cancellation:** may be called again.
        """
        until = trio.current_time() + GIVE_WAY_SECONDS
        for subscription in self._subscriptions:
            behind, idle = subscription.behind, 0
            while idle < IDLE_TURNS and (
                subscription.crowded or (behind > GIVE_WAY_EVENTS and trio.current_time() < until)
            ):
                await checkpoint()
                before, behind = behind, subscription.behind
                idle = 0 if behind < before else idle + 1

    def finish(self, error: VoxloopError | None) -> None:
        """The session is over."""
        if self._end is None:
            self._end = (error,)
            for subscription in self._subscriptions:
                subscription.finish(error)
            self._subscriptions = ()
