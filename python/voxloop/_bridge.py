"""From tokio to trio: batches behind a descriptor that trio can wait for.

A native handle keeps two queues, each bounded in bytes. Tokio threads fill the one and empty the
other, and never touch Python: all they do is to make a descriptor readable, once for whatever has
come since the last look. This module is the only one that knows `trio.lowlevel`.

The order matters and is proved by a loom test in Rust: the consumer first clears the descriptor
and arms it, then takes the queue; the producer first pushes, then fires if armed. A wake may be
spurious, it cannot be lost.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import trio

from voxloop._errors import ConcurrencyError

T = TypeVar("T")
U = TypeVar("U")


class Drainable(Protocol[T]):
    """The receiving half of a native handle."""

    def fileno(self) -> int:
        """Descriptor that becomes readable when there may be something to take."""
        ...

    def drain(self) -> list[T]:
        """Arm the descriptor, then take all that has come; raises the end's error once empty."""
        ...


class Fillable(Protocol):
    """The sending half of a native handle."""

    def send_fileno(self) -> int:
        """Descriptor that becomes readable when there may be room again."""
        ...

    def try_send(self, data: str | bytes) -> bool:
        """Queue one message; False when the byte budget is spent (then the descriptor is armed)."""
        ...


class Inbox(Generic[T]):
    """Takes batches from a native handle; one task at a time."""

    __slots__ = ("_busy", "_free", "_native")

    def __init__(self, native: Drainable[T]) -> None:
        self._native = native
        self._busy = False
        self._free: trio.Event | None = None

    def receive_batch(self) -> Coroutine[Any, Any, list[T]]:
        """Wait until something has come, then take all of it.

        Returns:
            At least one item, in order of arrival.

        Raises:
            ConcurrencyError: Another task is receiving.
            VoxloopError: The stored end of the connection, after its last item was taken.

        **Cancellation:** nothing is lost; nothing is awaited after items were taken.
        """
        return self.receive_as(_themselves)

    async def receive_as(self, made: Callable[[list[T]], list[U]]) -> list[U]:
        """The same, for the caller to be given what is made of the items.

        Args:
            made: Makes it of a batch, here rather than in a call around this one, which would be
                held for as long as this waits.

        Raises:
            ConcurrencyError: Another task is receiving.
            VoxloopError: The stored end of the connection, after its last item was taken.

        **Cancellation:** nothing is lost; nothing is awaited after items were taken.
        """
        if self._busy:
            raise ConcurrencyError("another task is receiving from this handle; share the items")
        self._busy = True
        try:
            # A look before the descriptor is readable would take what is still to come in company:
            # the native side decides when a batch is worth a wake.
            while True:
                await trio.lowlevel.wait_readable(self._native.fileno())
                if batch := self._native.drain():
                    return made(batch)
        finally:
            self._busy = False
            if self._free is not None:
                self._free.set()
                self._free = None

    async def free(self) -> None:
        """Wait until no task is receiving.

        **Cancellation:** may be called again.
        """
        while self._busy:
            if self._free is None:
                self._free = trio.Event()
            await self._free.wait()


def _themselves(items: list[T]) -> list[T]:
    return items


class Outbox:
    """Gives messages to a native handle; waits while its byte budget is spent."""

    __slots__ = ("_native", "_turn")

    def __init__(self, native: Fillable) -> None:
        self._native = native
        self._turn: trio.Lock | None = None
        """Made for the first who waits: most never do."""

    @property
    def crowded(self) -> bool:
        """Whether senders wait for room: who comes now waits behind them."""
        return self._turn is not None and self._turn.locked()

    def try_send(self, data: str | bytes) -> bool:
        """Queue one message now; False if there is no room, or if others wait for it.

        Raises:
            VoxloopError: The connection has ended.
        """
        return not self.crowded and self._native.try_send(data)

    async def send(self, data: str | bytes) -> None:
        """Queue one message, waiting for room if need be; callers take turns in order.

        Raises:
            VoxloopError: The connection has ended.

        **Cancellation:** the message was then not queued; may be called again.
        """
        if self._turn is None:
            self._turn = trio.Lock()
        async with self._turn:  # acquiring is the checkpoint
            while not self._native.try_send(data):
                await trio.lowlevel.wait_readable(self._native.send_fileno())


class Waiter:
    """A place where one task waits to be called; a `trio.Event` has room for many."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    def call(self) -> None:
        """Let the task that waits go on; nothing is remembered if none does."""
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def wait(self) -> Awaitable[object]:
        """Wait to be called; one task at a time, which awaits this where it calls it.

        **Cancellation:** may be called again.
        """
        self._task = trio.lowlevel.current_task()
        # Not awaited here: each call around one that waits is held for as long.
        return trio.lowlevel.wait_task_rescheduled(self._give_up)  # noqa: ASYNC105

    def _give_up(self, _raise: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


def let_other_threads_go() -> None:
    """Let a thread that was just woken have this thread's core, if that is where it waits.

    For the one message that someone waits for: what is done behind it would go before it.
    """
    if sys.platform == "linux":
        os.sched_yield()
    else:  # not everywhere is it there
        time.sleep(0)


checkpoint = trio.lowlevel.checkpoint
"""Let other tasks run and be cancelled here, at half the price of ``trio.sleep(0)``."""

cancellation_point = trio.lowlevel.checkpoint_if_cancelled
"""Be cancelled here, without a turn for other tasks: cheaper than a `checkpoint`."""


def notify_closing(*descriptors: int) -> None:
    """Wake the tasks that wait for `descriptors`, before the native side lets go of them."""
    for descriptor in descriptors:
        trio.lowlevel.notify_closing(descriptor)
